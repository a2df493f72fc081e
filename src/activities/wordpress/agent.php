<?php
/**
 * Presslift's agent: does one operation in a WordPress container and prints one JSON document,
 * {"ok":true,"result":…} or {"ok":false,"error":"…"}. It needs PHP's command line and nothing else.
 *
 * The request comes as $presslift_request, set by the line that the worker puts before this file:
 *   operation, root (document root), user (uid of www-data), url (address of the site), arguments.
 * Nothing of it stands in a process argument. Plugins and theme are not loaded, so that a site which one of them
 * broke still answers here.
 */

error_reporting(E_ERROR | E_PARSE | E_CORE_ERROR | E_COMPILE_ERROR);
ini_set('display_errors', 'stderr');
set_time_limit(300);

$presslift_answered = false;

function presslift_answer(array $document): never
{
    global $presslift_answered;
    $presslift_answered = true;
    while (ob_get_level() > 0) {
        ob_end_clean();
    }
    fwrite(STDOUT, json_encode($document, JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE) . "\n");
    exit($document['ok'] ? 0 : 1);
}

function presslift_fail(string $message): never
{
    presslift_answer(['ok' => false, 'error' => $message]);
}

/** WordPress ends the process itself on many errors (no database, for one): the answer then is what it printed. */
register_shutdown_function(function () {
    global $presslift_answered;
    if ($presslift_answered) {
        return;
    }
    $printed = '';
    while (ob_get_level() > 0) {
        $printed = ob_get_clean() . $printed;
    }
    $error = error_get_last();
    $text = trim(preg_replace('/\s+/', ' ', strip_tags($printed)));
    $message = $error !== null ? $error['message'] . ' in ' . basename($error['file']) : $text;
    fwrite(STDOUT, json_encode(
        ['ok' => false, 'error' => 'WordPress ended early: ' . substr($message, 0, 300)],
        JSON_UNESCAPED_SLASHES | JSON_INVALID_UTF8_SUBSTITUTE
    ) . "\n");
});

/** Files that are made as root would not be writable for WordPress afterwards. */
function presslift_become(int $user): void
{
    if (!function_exists('posix_getuid')) {
        presslift_fail('PHP has no posix extension, so the agent cannot leave root');
    }
    if (posix_getuid() !== 0) {
        return;
    }
    $entry = posix_getpwuid($user);
    $group = $entry === false ? $user : $entry['gid'];
    if ($entry !== false) {
        posix_initgroups($entry['name'], $group);
    }
    if (!posix_setgid($group) || !posix_setuid($user)) {
        presslift_fail("Cannot become user $user");
    }
}

/** Relative path => SHA-256 of every regular file below a folder; links are not followed. */
function presslift_tree(string $folder): array
{
    $files = [];
    if (!is_dir($folder)) {
        return $files;
    }
    $walk = new RecursiveIteratorIterator(
        new RecursiveDirectoryIterator($folder, FilesystemIterator::SKIP_DOTS),
        RecursiveIteratorIterator::LEAVES_ONLY
    );
    foreach ($walk as $path => $info) {
        if ($info->isLink() || !$info->isFile()) {
            continue;
        }
        $hash = hash_file('sha256', $path);
        if ($hash === false) {
            presslift_fail("Cannot read $path");
        }
        $files[substr($path, strlen($folder) + 1)] = $hash;
    }
    return $files;
}

function presslift_bytes(string $folder, array $paths): int
{
    return array_sum(array_map(fn($path) => filesize("$folder/$path"), $paths));
}

/** The same digest as the copy Job's: SHA-256 over the sorted lines `<sha256>  <path>`. */
function presslift_tree_digest(string $folder): array
{
    $files = presslift_tree($folder);
    $lines = [];
    foreach ($files as $path => $hash) {
        $lines[] = "$hash  $path";
    }
    sort($lines, SORT_STRING);
    $text = implode('', array_map(fn($line) => "$line\n", $lines));
    return [
        'files' => count($files),
        'bytes' => presslift_bytes($folder, array_keys($files)),
        'digest' => 'sha256:' . hash('sha256', $text),
    ];
}

function presslift_core_version(string $root): ?string
{
    $text = @file_get_contents("$root/wp-includes/version.php");
    return $text !== false && preg_match("/\\\$wp_version\s*=\s*'([^']+)'/", $text, $m) ? $m[1] : null;
}

/** Names and kinds of what is in a folder. */
function presslift_entries(string $folder): array
{
    $entries = [];
    foreach (is_dir($folder) ? scandir($folder) : [] as $name) {
        if ($name !== '.' && $name !== '..') {
            $entries[$name] = is_dir("$folder/$name") && !is_link("$folder/$name");
        }
    }
    return $entries;
}

/** What stands beside the known parts of a document root, compared with the core that an image brings. */
function presslift_inspect(string $old, array $candidates): array
{
    $pristine = null;
    foreach ($candidates as $candidate) {
        if (presslift_core_version($candidate) !== null) {
            $pristine = $candidate;
            break;
        }
    }
    if ($pristine === null) {
        presslift_fail('The image has no WordPress core at ' . implode(' or ', $candidates));
    }
    $describe = function (string $path) use ($old, $pristine): ?array {
        $full = "$old/$path";
        if (is_dir($full)) {
            $files = presslift_tree($full);
            if ($files === [] || $files === presslift_tree("$pristine/$path")) {
                return null;
            }
            return ['path' => $path, 'kind' => 'folder', 'files' => count($files),
                'bytes' => presslift_bytes($full, array_keys($files))];
        }
        if (is_file("$pristine/$path") && hash_file('sha256', "$pristine/$path") === hash_file('sha256', $full)) {
            return null;
        }
        return ['path' => $path, 'kind' => 'file', 'files' => 1, 'bytes' => filesize($full)];
    };

    $content = [];
    $known = ['plugins', 'themes', 'uploads', 'upgrade', 'upgrade-temp-backup'];
    foreach (array_keys(presslift_entries("$old/wp-content")) as $name) {
        if (!in_array($name, $known, true)) {
            $content[] = $describe("wp-content/$name");
        }
    }
    $beside = [];
    $ignored = ['wp-config.php', 'wp-config-docker.php', 'wp-config-sample.php', 'wp-content', 'wp-admin',
        'wp-includes', 'lost+found', '.maintenance'];
    $core = presslift_entries($pristine);
    foreach (array_keys(presslift_entries($old)) as $name) {
        if (!array_key_exists($name, $core) && !in_array($name, $ignored, true)) {
            $beside[] = $describe($name);
        }
    }

    $changed = [];
    $missing = [];
    $added = [];
    foreach (['wp-admin', 'wp-includes'] as $folder) {
        $theirs = presslift_tree("$pristine/$folder");
        $ours = presslift_tree("$old/$folder");
        foreach ($theirs as $path => $hash) {
            if (!isset($ours[$path])) {
                $missing[] = "$folder/$path";
            } elseif ($ours[$path] !== $hash) {
                $changed[] = "$folder/$path";
            }
        }
        foreach (array_diff_key($ours, $theirs) as $path => $_) {
            $added[] = "$folder/$path";
        }
    }
    foreach ($core as $name => $isFolder) {
        if ($isFolder || in_array($name, $ignored, true)) {
            continue;
        }
        if (!is_file("$old/$name")) {
            $missing[] = $name;
        } elseif (hash_file('sha256', "$old/$name") !== hash_file('sha256', "$pristine/$name")) {
            $changed[] = $name;
        }
    }
    $some = fn(array $paths) => ['count' => count($paths), 'first' => array_slice($paths, 0, 20)];
    return [
        'version' => presslift_core_version($old),
        'imageVersion' => presslift_core_version($pristine),
        'content' => array_values(array_filter($content)),
        'beside' => array_values(array_filter($beside)),
        'core' => ['changed' => $some($changed), 'missing' => $some($missing), 'added' => $some($added)],
    ];
}

/** Whether the user that PHP runs as may make files in a folder, and as whom. */
function presslift_write_probe(string $folder): array
{
    $file = @tempnam($folder, '.presslift-');
    // tempnam falls back to the system's temporary folder.
    $inside = $file !== false && dirname($file) === rtrim($folder, '/');
    $owner = $inside ? fileowner($file) : null;
    if ($file !== false) {
        @unlink($file);
    }
    return ['writable' => $inside, 'owner' => $owner, 'user' => posix_getuid(), 'folderOwner' => @fileowner($folder)];
}

/** Names of the constants that wp-config.php defines, in its text or in what it evaluates. */
function presslift_config_constants(string $root): array
{
    $file = is_file("$root/wp-config.php") ? "$root/wp-config.php" : dirname($root) . '/wp-config.php';
    $text = (string) @file_get_contents($file) . "\n" . (string) getenv('WORDPRESS_CONFIG_EXTRA');
    preg_match_all('/\bdefine\s*\(\s*([\'"])(\w+)\1/', $text, $matches);
    return array_values(array_unique($matches[2]));
}

const PRESSLIFT_SALTS = ['AUTH_KEY', 'SECURE_AUTH_KEY', 'LOGGED_IN_KEY', 'NONCE_KEY',
    'AUTH_SALT', 'SECURE_AUTH_SALT', 'LOGGED_IN_SALT', 'NONCE_SALT'];

/** The salts in force; a missing constant is an error, because WordPress then makes up its own. */
function presslift_salts(): array
{
    $salts = [];
    foreach (PRESSLIFT_SALTS as $name) {
        if (!defined($name) || constant($name) === '') {
            presslift_fail("The constant $name is not defined");
        }
        $salts["WORDPRESS_$name"] = constant($name);
    }
    return $salts;
}

function presslift_salts_fingerprint(): ?string
{
    $values = array_map(fn($name) => defined($name) ? constant($name) : '', PRESSLIFT_SALTS);
    return in_array('', $values, true) ? null : 'sha256:' . hash('sha256', implode("\n", $values));
}

function presslift_salts_from_environment(): bool
{
    foreach (PRESSLIFT_SALTS as $name) {
        $file = getenv("WORDPRESS_{$name}_FILE");
        $value = getenv("WORDPRESS_$name");
        if ($value === false && $file !== false) {
            $value = rtrim((string) @file_get_contents($file), "\r\n");
        }
        if ($value === false || !defined($name) || $value !== constant($name)) {
            return false;
        }
    }
    return true;
}

/** The option as the database has it, past every filter. */
function presslift_raw_option(string $name): mixed
{
    global $wpdb;
    $value = $wpdb->get_var($wpdb->prepare("SELECT option_value FROM $wpdb->options WHERE option_name = %s", $name));
    return $value === null ? null : maybe_unserialize($value);
}

function presslift_facts(array $request): array
{
    global $wpdb, $wp_version, $wp_db_version;
    require_once ABSPATH . 'wp-admin/includes/admin.php';
    require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
    $active = presslift_raw_option('active_plugins');
    $active = is_array($active) ? array_values($active) : [];
    $plugins = [];
    foreach (get_plugins() as $file => $data) {
        $plugins[] = ['file' => $file, 'name' => $data['Name'], 'version' => $data['Version'],
            'active' => in_array($file, $active, true)];
    }
    $themes = [];
    foreach (wp_get_themes() as $slug => $theme) {
        $themes[] = ['slug' => (string) $slug, 'version' => (string) $theme->get('Version'),
            'active' => get_option('stylesheet') === (string) $slug];
    }
    $constants = [];
    foreach (['DISALLOW_FILE_EDIT', 'WP_AUTO_UPDATE_CORE', 'FS_METHOD', 'DISALLOW_FILE_MODS'] as $name) {
        $constants[$name] = defined($name) ? constant($name) : null;
    }
    // A keyed hash, so that the worker can compare values between pods that it never sees.
    $hashes = [];
    foreach (presslift_config_constants($request['root']) as $name) {
        if (defined($name)) {
            $hashes[$name] = hash_hmac('sha256', serialize(constant($name)), (string) ($request['arguments']['nonce'] ?? ''));
        }
    }
    foreach ($request['arguments']['constants'] ?? [] as $name) {
        if (defined($name)) {
            $hashes[$name] = hash_hmac('sha256', serialize(constant($name)), (string) ($request['arguments']['nonce'] ?? ''));
        }
    }
    [$major, $minor] = array_map('intval', explode('.', $wp_version));
    $fpm = @fsockopen('127.0.0.1', 9000, $_, $_, 1);
    return [
        'version' => $wp_version,
        'databaseVersion' => ['code' => (int) $wp_db_version, 'site' => (int) presslift_raw_option('db_version')],
        'php' => PHP_VERSION,
        'siteUrl' => presslift_raw_option('siteurl'),
        'tablePrefix' => $wpdb->prefix,
        'multisite' => is_multisite(),
        'plugins' => $plugins,
        'themes' => $themes,
        'activePlugins' => $active,
        'constants' => $constants,
        'configHashes' => (object) $hashes,
        'fileEditing' => !(defined('DISALLOW_FILE_EDIT') && DISALLOW_FILE_EDIT),
        'coreUpdates' => [
            'minor' => Core_Upgrader::should_update_to_version("$major.$minor.999"),
            'major' => Core_Upgrader::should_update_to_version(($major + 1) . '.0'),
        ],
        'filesystemMethod' => get_filesystem_method([], WP_CONTENT_DIR . '/plugins'),
        'saltsFingerprint' => presslift_salts_fingerprint(),
        'saltsFromEnvironment' => presslift_salts_from_environment(),
        'fpmPort' => $fpm !== false ? 9000 : null,
        'hostname' => gethostname(),
    ];
}

$presslift_root = rtrim($presslift_request['root'], '/');
$presslift_arguments = $presslift_request['arguments'] ?? [];
if (($presslift_request['keepUser'] ?? false) !== true) {
    presslift_become((int) $presslift_request['user']);
}

switch ($presslift_request['operation']) {
    case 'tree-digest':
        $presslift_digests = [];
        foreach ($presslift_arguments['folders'] as $presslift_folder) {
            $presslift_digests[$presslift_folder] = presslift_tree_digest("$presslift_root/$presslift_folder");
        }
        presslift_answer(['ok' => true, 'result' => (object) $presslift_digests]);
    case 'tree-manifest':
        $presslift_tree = presslift_tree("$presslift_root/{$presslift_arguments['folder']}");
        ksort($presslift_tree, SORT_STRING);
        presslift_answer(['ok' => true, 'result' => (object) $presslift_tree]);
    case 'write-probe':
        presslift_answer(['ok' => true, 'result' => presslift_write_probe("$presslift_root/{$presslift_arguments['folder']}")]);
    case 'inspect':
        presslift_answer(['ok' => true, 'result' => presslift_inspect($presslift_root, $presslift_arguments['cores'])]);
}

// Operations of the files in operations/ that must work where WordPress does not start.
$presslift_early = 'presslift_early_' . str_replace('-', '_', $presslift_request['operation']);
if (function_exists($presslift_early)) {
    presslift_answer(['ok' => true, 'result' => $presslift_early($presslift_arguments, $presslift_request)]);
}

// From here on WordPress is needed: loaded in the global scope, where its files expect their variables.
$presslift_url = parse_url($presslift_request['url']);
$_SERVER['HTTP_HOST'] = $presslift_url['host'];
$_SERVER['SERVER_NAME'] = $presslift_url['host'];
$_SERVER['HTTPS'] = $presslift_url['scheme'] === 'https' ? 'on' : '';
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['REQUEST_URI'] = '/';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
define('WP_USE_THEMES', false);
// WordPress turns hooks that stand here before it loads into real ones.
$GLOBALS['wp_filter']['pre_option_active_plugins'][10]['presslift'] = ['function' => fn() => [], 'accepted_args' => 1];
// Maintenance mode is for visitors.
$GLOBALS['wp_filter']['enable_maintenance_mode'][10]['presslift'] = ['function' => fn() => false, 'accepted_args' => 1];
if ($presslift_request['operation'] === 'salts') {
    define('SHORTINIT', true);
}
if (!is_file("$presslift_root/wp-load.php")) {
    presslift_fail("No WordPress at $presslift_root");
}
ob_start();
require $presslift_root . '/wp-load.php';
if ($presslift_request['operation'] !== 'salts' && !is_blog_installed()) {
    presslift_fail('WordPress is not installed: its database has no site');
}

switch ($presslift_request['operation']) {
    case 'facts':
        presslift_answer(['ok' => true, 'result' => presslift_facts($presslift_request)]);
    case 'salts':
        presslift_answer(['ok' => true, 'result' => presslift_salts()]);
    case 'validate-cookies':
        // Which of the given logged-in cookies this pod's keys accept; their user's name is not told.
        $presslift_valid = false;
        foreach ($presslift_arguments['cookies'] as $presslift_cookie) {
            $presslift_valid = $presslift_valid || wp_validate_auth_cookie($presslift_cookie, 'logged_in') !== false;
        }
        presslift_answer(['ok' => true, 'result' => $presslift_valid]);
    case 'option-get':
        presslift_answer(['ok' => true, 'result' => presslift_raw_option($presslift_arguments['name'])]);
    case 'option-set':
        // Past the preset hook, which would answer instead of the database.
        unset($GLOBALS['wp_filter']['pre_option_active_plugins']);
        update_option($presslift_arguments['name'], $presslift_arguments['value']);
        presslift_answer(['ok' => true, 'result' => presslift_raw_option($presslift_arguments['name']) == $presslift_arguments['value']]);
}
// Further operations are functions of the files in operations/, which the worker appends when it asks for one of them.
$presslift_operation = 'presslift_operation_' . str_replace('-', '_', $presslift_request['operation']);
if (function_exists($presslift_operation)) {
    presslift_answer(['ok' => true, 'result' => $presslift_operation($presslift_arguments, $presslift_request)]);
}
presslift_fail("Unknown operation {$presslift_request['operation']}");
