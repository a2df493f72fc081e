<?php
/** Operations of the agent: what a restore drill asks of the restored WordPress. Nothing here runs by itself; see ../agent.php. */

/** Ends the operation unless this WordPress uses the drill's own database: what follows would otherwise change the live site. */
function presslift_require_copy(array $arguments): void
{
    global $wpdb;
    $wanted = (string) ($arguments['database'] ?? '');
    $used = (string) $wpdb->get_var('SELECT DATABASE()');
    if ($wanted === '' || DB_NAME !== $wanted || $used !== $wanted) {
        presslift_fail("This WordPress does not use the drill's database");
    }
}

/** What a value must begin with to be PHP's serialized text of an array, an object or a string. */
function presslift_looks_serialized(string $value): bool
{
    return preg_match('/^(?:a:\d+:\{|[OC]:\d+:"|s:\d+:".*";$)/s', $value) === 1;
}

/**
 * The serialized value that begins at $at, with $change applied to every string in it and the lengths put right. Nothing is
 * unserialized, so no class of a plugin is needed or runs. What serializes itself (C:) is copied as it is.
 *
 * @throws UnexpectedValueException where the text is broken
 */
function presslift_serialized(string $text, int &$at, callable $change, int $depth = 0): string
{
    if ($depth > 250) {
        throw new UnexpectedValueException('nested too deeply');
    }
    $take = function (string $pattern) use ($text, &$at): array {
        if (preg_match("/\\G$pattern/", $text, $match, 0, $at) !== 1) {
            throw new UnexpectedValueException("broken at byte $at");
        }
        $at += strlen($match[0]);
        return $match;
    };
    $raw = function (int $length, string $end) use ($text, &$at): string {
        $content = substr($text, $at, $length);
        if (strlen($content) !== $length || substr($text, $at + $length, strlen($end)) !== $end) {
            throw new UnexpectedValueException("broken at byte $at");
        }
        $at += $length + strlen($end);
        return $content;
    };
    switch ($text[$at] ?? '') {
        case 'N':
            return $take('N;')[0];
        case 'b':
            return $take('b:[01];')[0];
        case 'i':
        case 'r':
        case 'R':
            return $take('(?:i:[+-]?\d+|[rR]:[1-9]\d*);')[0];
        case 'd':
            return $take('d:(?:[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|-?INF|NAN);')[0];
        case 'E':
            return $take('E:\d+:"[a-zA-Z_\\\\][^":]*:\w+";')[0];
        case 's':
            $content = $raw((int) $take('s:(\d+):"')[1], '";');
            $content = $change($content);
            return 's:' . strlen($content) . ":\"$content\";";
        case 'C':
            $head = $take('C:\d+:"[^"]+":(\d+):\{');
            return $head[0] . $raw((int) $head[1], '}') . '}';
        case 'a':
        case 'O':
            $isObject = $text[$at] === 'O';
            $head = $take($isObject ? 'O:\d+:"[^"]+":(\d+):\{' : 'a:(\d+):\{');
            $written = $head[0];
            for ($left = (int) $head[1]; $left > 0; $left--) {
                if (!in_array($text[$at] ?? '', ['i', 's'], true)) {
                    throw new UnexpectedValueException("broken at byte $at");
                }
                // Names of properties are the class's own.
                $keep = fn(string $name) => $name;
                $written .= presslift_serialized($text, $at, $isObject ? $keep : $change, $depth + 1);
                $written .= presslift_serialized($text, $at, $change, $depth + 1);
            }
            return $written . $take('\}')[0];
        default:
            throw new UnexpectedValueException("broken at byte $at");
    }
}

/** The value with $change applied to its text, also inside of serialized data; null when serialized data in it is broken. */
function presslift_changed(string $value, callable $change, int $depth = 0): ?string
{
    if ($depth > 5 || !presslift_looks_serialized($value)) {
        return $change($value);
    }
    // Serialized text inside of a serialized string is common, and is no error when it only looks like one.
    $inner = fn(string $text) => presslift_changed($text, $change, $depth + 1) ?? $change($text);
    $at = 0;
    try {
        $written = presslift_serialized($value, $at, $inner);
        return $at === strlen(rtrim($value)) ? $written . substr($value, $at) : null;
    } catch (UnexpectedValueException) {
        return null;
    }
}

/** Puts one host in the place of others, where they stand in addresses; neither in e-mail addresses nor in paths of files. */
function presslift_host_change(array $hosts, string $host): callable
{
    $names = implode('|', array_map(fn($name) => preg_quote($name, '~'), $hosts));
    // Plain, escaped in JSON (once and twice), and percent-encoded.
    $before = '(?<=//|\\\\/\\\\/|\\\\\\\\/\\\\\\\\/|%2F%2F)';
    $pattern = "~$before(?:$names)(?![a-z0-9_-]|\\.[a-z0-9])~i";
    return function (string $text) use ($pattern, $hosts, $host): string {
        if (in_array(strtolower($text), $hosts, true)) {
            return $host;
        }
        return preg_replace($pattern, $host, $text) ?? $text;
    };
}

/** Columns with text, by table, and the columns that name a row. @return array<string, array{text: string[], key: string[]}> */
function presslift_text_columns(): array
{
    global $wpdb;
    $columns = $wpdb->get_results(
        "SELECT c.TABLE_NAME AS t, c.COLUMN_NAME AS c, c.COLUMN_KEY AS k,
            c.DATA_TYPE IN ('char', 'varchar', 'tinytext', 'text', 'mediumtext', 'longtext', 'json') AND c.EXTRA NOT LIKE '%GENERATED%' AS is_text
         FROM information_schema.COLUMNS c JOIN information_schema.TABLES t ON t.TABLE_SCHEMA = c.TABLE_SCHEMA AND t.TABLE_NAME = c.TABLE_NAME
         WHERE c.TABLE_SCHEMA = DATABASE() AND t.TABLE_TYPE = 'BASE TABLE' ORDER BY c.TABLE_NAME, c.ORDINAL_POSITION"
    );
    $tables = [];
    foreach ($columns as $column) {
        $tables[$column->t] ??= ['text' => [], 'key' => []];
        if ($column->is_text) {
            $tables[$column->t]['text'][] = $column->c;
        }
        if ($column->k === 'PRI') {
            $tables[$column->t]['key'][] = $column->c;
        }
    }
    return $tables;
}

/** A list of values that may be longer than memory holds: beyond some megabytes it is on the disk. */
final class Presslift_Spool
{
    /** @var resource */
    private $file;

    public function __construct()
    {
        $this->file = fopen('php://temp/maxmemory:8388608', 'w+');
    }

    public function put(array $values): void
    {
        $record = serialize($values);
        $record = pack('J', strlen($record)) . $record;
        if (fwrite($this->file, $record) !== strlen($record)) {
            presslift_fail('No room for what is to be changed: ' . sys_get_temp_dir() . ' is full or cannot be written');
        }
    }

    public function isEmpty(): bool
    {
        return ftell($this->file) === 0;
    }

    /** All of them, in order. Nothing can be put any more. */
    public function all(): Generator
    {
        rewind($this->file);
        while (($head = fread($this->file, 8)) !== '' && $head !== false) {
            yield unserialize(stream_get_contents($this->file, unpack('J', $head)[1]), ['allowed_classes' => false]);
        }
        fclose($this->file);
    }
}

/** Goes through the rows that a condition finds in a column, one at a time. @param callable(string, array): void $each value and key */
function presslift_each_value(string $table, string $column, array $key, string $condition, callable $each): void
{
    // A connection of its own: results that are read bit by bit leave no room for other statements.
    static $reader = null;
    $reader ??= new wpdb(DB_USER, DB_PASSWORD, DB_NAME, DB_HOST);
    $name = fn(string $identifier) => '`' . str_replace('`', '``', $identifier) . '`';
    $selected = implode(', ', array_map($name, [$column, ...$key]));
    $result = mysqli_query($reader->dbh, "SELECT $selected FROM {$name($table)} WHERE {$name($column)} $condition", MYSQLI_USE_RESULT);
    if ($result === false) {
        presslift_fail("$table.$column cannot be read: " . mysqli_error($reader->dbh));
    }
    while (($row = mysqli_fetch_row($result)) !== null && $row !== false) {
        $each((string) array_shift($row), $row);
    }
    mysqli_free_result($result);
}

/** How many values look serialized, how many of them are broken, and where the first of these are. */
function presslift_check_serialized(array $tables): array
{
    $found = ['values' => 0, 'broken' => 0, 'first' => []];
    $nothing = fn(string $text) => $text;
    foreach ($tables as $table => $columns) {
        foreach ($columns['text'] as $column) {
            $look = function (string $value, array $key) use (&$found, $nothing, $table, $column): void {
                if (!presslift_looks_serialized($value)) {
                    return;
                }
                $found['values']++;
                if (presslift_changed($value, $nothing) === null) {
                    $found['broken']++;
                    if (count($found['first']) < 20) {
                        $found['first'][] = "$table.$column " . implode(',', $key);
                    }
                }
            };
            presslift_each_value($table, $column, $columns['key'], "REGEXP '^[aOCs]:[0-9]+:'", $look);
        }
    }
    return $found;
}

/** Moves the copy to its own host, in every table, and checks all serialized values before and after. */
function presslift_operation_drill_replace(array $arguments): array
{
    global $wpdb;
    set_time_limit(0);
    presslift_require_copy($arguments);
    $hosts = array_map('strtolower', $arguments['hosts']);
    $change = presslift_host_change($hosts, $arguments['host']);
    $tables = presslift_text_columns();
    $before = presslift_check_serialized($tables);
    $like = fn(string $host) => "LIKE '%" . esc_sql($wpdb->esc_like($host)) . "%'";
    $name = fn(string $identifier) => '`' . str_replace('`', '``', $identifier) . '`';
    $changed = [];
    foreach ($tables as $table => $columns) {
        foreach ($columns['text'] as $column) {
            $updates = new Presslift_Spool();
            $any = implode(" OR {$name($column)} ", array_map($like, $hosts));
            presslift_each_value($table, $column, $columns['key'], $any, function (string $value, array $key) use ($updates, $change): void {
                $next = presslift_changed($value, $change);
                if ($next !== null && $next !== $value) {
                    // Without a primary key the old value itself says which rows.
                    $updates->put([$next, ...($key === [] ? [$value] : $key)]);
                }
            });
            if ($updates->isEmpty()) {
                continue;
            }
            $by = $columns['key'] === [] ? [$column] : $columns['key'];
            $where = implode(' AND ', array_map(fn($one) => "{$name($one)} = ?", $by));
            mysqli_begin_transaction($wpdb->dbh);
            $statement = mysqli_prepare($wpdb->dbh, "UPDATE {$name($table)} SET {$name($column)} = ? WHERE $where");
            $changed[$table] ??= 0;
            foreach ($updates->all() as $values) {
                if ($statement === false || !mysqli_stmt_execute($statement, $values)) {
                    presslift_fail("$table.$column cannot be changed: " . mysqli_error($wpdb->dbh));
                }
                $changed[$table] += mysqli_stmt_affected_rows($statement);
            }
            mysqli_commit($wpdb->dbh);
        }
    }
    wp_cache_flush();
    return [
        'before' => $before,
        'changed' => ['tables' => count($changed), 'values' => array_sum($changed)],
        'after' => presslift_check_serialized($tables),
        'left' => presslift_addresses_left($tables, $hosts, $change),
        'address' => ['siteurl' => presslift_raw_option('siteurl'), 'home' => presslift_raw_option('home')],
    ];
}

/** Values in which an address of the hosts still stands. */
function presslift_addresses_left(array $tables, array $hosts, callable $change): array
{
    global $wpdb;
    $left = ['values' => 0, 'first' => []];
    foreach ($tables as $table => $columns) {
        foreach ($columns['text'] as $column) {
            foreach ($hosts as $host) {
                $condition = "LIKE '%" . esc_sql($wpdb->esc_like($host)) . "%'";
                presslift_each_value($table, $column, $columns['key'], $condition, function (string $value, array $key) use (&$left, $change, $table, $column): void {
                    if ($change($value) === $value) {
                        return;
                    }
                    $left['values']++;
                    if (count($left['first']) < 20) {
                        $left['first'][] = "$table.$column " . implode(',', $key);
                    }
                });
            }
        }
    }
    return $left;
}

/** The sentinel's row and file, each null when it is not there or is no sentinel. */
function presslift_drill_sentinel(string $file): array
{
    $read = function (mixed $value): ?array {
        $value = is_string($value) ? json_decode($value, true) : $value;
        return is_array($value) && isset($value['nonce'])
            ? ['nonce' => (string) $value['nonce'], 'writtenAt' => (string) ($value['writtenAt'] ?? '')]
            : null;
    };
    $text = $file === '' ? false : @file_get_contents(ABSPATH . ltrim($file, '/'));
    return ['row' => $read(presslift_raw_option('presslift_sentinel')), 'file' => $text === false ? null : $read($text)];
}

/** All media of the library: which files are missing, and a sample, spread evenly, with size and hash. */
function presslift_drill_media(int $wanted): array
{
    global $wpdb;
    $uploads = wp_get_upload_dir();
    $names = $wpdb->get_col(
        "SELECT m.meta_value FROM $wpdb->postmeta m JOIN $wpdb->posts p ON p.ID = m.post_id
         WHERE m.meta_key = '_wp_attached_file' AND p.post_type = 'attachment' ORDER BY p.ID"
    );
    // What a plugin keeps elsewhere has an address in the place of a path.
    $names = array_values(array_filter($names, fn($name) => $name !== '' && !str_contains($name, '://')));
    $present = [];
    $missing = [];
    foreach ($names as $name) {
        if (is_file("{$uploads['basedir']}/$name")) {
            $present[] = $name;
        } else {
            $missing[] = $name;
        }
    }
    $path = rtrim((string) parse_url($uploads['baseurl'], PHP_URL_PATH), '/');
    $sample = [];
    $count = min($wanted, count($present));
    for ($at = 0; $at < $count; $at++) {
        $name = $present[intdiv($at * count($present), $count)];
        $file = "{$uploads['basedir']}/$name";
        $sample[] = [
            'path' => $path . '/' . implode('/', array_map('rawurlencode', explode('/', $name))),
            'bytes' => filesize($file),
            'sha256' => hash_file('sha256', $file),
        ];
    }
    return ['attachments' => count($names), 'missing' => count($missing), 'missingPaths' => array_slice($missing, 0, 20), 'sample' => $sample];
}

/** Tries what must not work in a copy. */
function presslift_drill_seal(): array
{
    wp_mail('drill@drill.invalid', 'Presslift', 'This must not leave the copy.');
    return [
        // PHPMailer is set up only for a mail that is really sent.
        'mail' => did_action('phpmailer_init') === 0 ? 'kept' : 'sent',
        'cron' => defined('DISABLE_WP_CRON') && DISABLE_WP_CRON ? 'off' : 'on',
        'requests' => is_wp_error(wp_remote_get('https://drill.invalid/', ['timeout' => 2])) ? 'refused' : 'sent',
        'objectCache' => wp_using_ext_object_cache() ? 'shared' : 'own',
    ];
}

/** An administrator of the copy alone, so that the login can be tried whatever became of the real passwords since. */
function presslift_drill_user(array $user): void
{
    require_once ABSPATH . 'wp-admin/includes/user.php';
    $known = get_user_by('login', $user['login']);
    $data = [
        'user_login' => $user['login'],
        'user_email' => "{$user['login']}@drill.invalid",
        'role' => 'administrator',
    ];
    $id = $known ? $known->ID : wp_insert_user($data + ['user_pass' => $user['password']]);
    if (is_wp_error($id)) {
        presslift_fail('The copy takes no new administrator: ' . $id->get_error_message());
    }
    // A new hash of the same password would end the session that a Job of an earlier attempt has.
    if ($known && !wp_check_password($user['password'], $known->user_pass, $id)) {
        wp_set_password($user['password'], $id);
    }
    if (is_multisite()) {
        grant_super_admin($id);
    }
    // WordPress would ask for the administration's address instead of showing wp-admin.
    update_option('admin_email_lifespan', time() + YEAR_IN_SECONDS);
}

/** What is looked at in the copy before its pages are asked for. */
function presslift_operation_drill_look(array $arguments): array
{
    set_time_limit(0);
    presslift_require_copy($arguments);
    // Looked at first: trying to send a mail may write.
    $sentinel = presslift_drill_sentinel((string) $arguments['sentinelFile']);
    $media = presslift_drill_media((int) $arguments['mediaSample']);
    presslift_drill_user($arguments['user']);
    return ['sentinel' => $sentinel, 'media' => $media, 'seal' => presslift_drill_seal()];
}
