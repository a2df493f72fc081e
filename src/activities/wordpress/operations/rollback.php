<?php
/** Operations of the agent: what a rollback asks of WordPress. Functions alone; see ../agent.php. */

/**
 * A digest over path, size and modification time of everything in some folders: whether somebody changed a file since it was
 * asked last, without reading them all. Arguments: folders.
 */
function presslift_early_extension_listing(array $arguments, array $request): string
{
    $root = rtrim($request['root'], '/');
    $lines = [];
    foreach ($arguments['folders'] as $folder) {
        $path = "$root/$folder";
        if (!is_dir($path)) {
            $lines[] = "$folder\tnone";
            continue;
        }
        $walk = new RecursiveIteratorIterator(
            new RecursiveDirectoryIterator($path, FilesystemIterator::SKIP_DOTS),
            RecursiveIteratorIterator::SELF_FIRST
        );
        foreach ($walk as $file => $info) {
            $isFile = $info->isFile() && !$info->isLink();
            $lines[] = substr($file, strlen($root) + 1) . ($isFile ? "\t{$info->getSize()}\t{$info->getMTime()}" : '');
        }
    }
    sort($lines, SORT_STRING);
    return 'sha256:' . hash('sha256', implode("\n", $lines));
}

/**
 * Begins or ends maintenance mode of this document root, as WordPress itself does while it updates. WordPress takes the mode
 * for over ten minutes after the time in the file. Arguments: on, until (Unix time; the mode ends by itself then).
 */
function presslift_early_maintenance(array $arguments, array $request): array
{
    $file = rtrim($request['root'], '/') . '/.maintenance';
    // One that is not ours is WordPress's own, for an update that is under way.
    $ours = is_file($file) && str_contains((string) file_get_contents($file), 'presslift');
    if (!$arguments['on']) {
        if ($ours && !unlink($file)) {
            presslift_fail('The file .maintenance cannot be removed');
        }
        return ['maintenance' => is_file($file)];
    }
    $upgrading = (int) $arguments['until'] - 600;
    if (@file_put_contents("$file.part", "<?php /* presslift */ \$upgrading = $upgrading;\n") === false
        || !rename("$file.part", $file)) {
        presslift_fail('The file .maintenance cannot be written in the document root');
    }
    // What PHP compiled of an earlier one would count otherwise.
    touch($file, time() - 5);
    return ['maintenance' => true];
}

/** Options as the database has them; one that is not there is null. Arguments: names. */
function presslift_operation_options_read(array $arguments): object
{
    $values = [];
    foreach ($arguments['names'] as $name) {
        $value = presslift_raw_option($name);
        $values[$name] = $name === 'active_plugins' && is_array($value) ? array_values($value) : $value;
    }
    return (object) $values;
}

/** Sets options to values, and takes away those whose value is null. Arguments: options. */
function presslift_operation_options_write(array $arguments): object
{
    // Past the preset hook, which would answer instead of the database.
    unset($GLOBALS['wp_filter']['pre_option_active_plugins']);
    foreach ($arguments['options'] as $name => $value) {
        $value === null ? delete_option($name) : update_option($name, $value);
    }
    return presslift_operation_options_read(['names' => array_keys($arguments['options'])]);
}

/** Empties the object cache: what it holds is of another database now. */
function presslift_operation_flush_cache(): array
{
    return ['external' => (bool) wp_using_ext_object_cache(), 'flushed' => wp_cache_flush()];
}

/** What the database server says of itself, to tell whether two names mean one server. */
function presslift_operation_database_identity(): string
{
    global $wpdb;
    $identity = $wpdb->get_var("SELECT CONCAT_WS(' ', @@hostname, @@port, @@datadir, @@server_id)");
    if (!is_string($identity)) {
        presslift_fail("The database does not say what it is: {$wpdb->last_error}");
    }
    return $identity;
}

/**
 * Paths of some of the newest files of the media library that lie where this pod has its uploads, as the site itself serves them;
 * none where another host does. Arguments: sample.
 */
function presslift_operation_media_sample(array $arguments): array
{
    global $wpdb;
    $uploads = wp_get_upload_dir();
    if (parse_url($uploads['baseurl'], PHP_URL_HOST) !== parse_url(home_url(), PHP_URL_HOST)) {
        return [];
    }
    $files = $wpdb->get_col(
        "SELECT m.meta_value FROM {$wpdb->postmeta} m JOIN {$wpdb->posts} p ON p.ID = m.post_id
        WHERE p.post_type = 'attachment' AND m.meta_key = '_wp_attached_file' ORDER BY p.ID DESC LIMIT 500"
    );
    $there = array_filter($files, fn ($file) => is_file("{$uploads['basedir']}/$file"));
    $base = rtrim((string) parse_url($uploads['baseurl'], PHP_URL_PATH), '/');
    return array_map(
        fn ($file) => $base . '/' . implode('/', array_map('rawurlencode', explode('/', $file))),
        array_slice(array_values($there), 0, (int) $arguments['sample'])
    );
}
