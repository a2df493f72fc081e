<?php
/** Operations of the agent: what a backup asks of WordPress. Functions alone; see ../agent.php. */

/**
 * Writes one random word into a row and into a file. Asked again for the same recovery point, it keeps the word that it wrote
 * before. Arguments: point, nonce, at (ISO 8601), file (below the document root).
 */
function presslift_operation_sentinel_write(array $arguments, array $request): array
{
    $wanted = ['point' => $arguments['point'], 'nonce' => $arguments['nonce'], 'writtenAt' => $arguments['at']];
    $earlier = json_decode((string) presslift_raw_option('presslift_sentinel'), true);
    if (is_array($earlier) && ($earlier['point'] ?? null) === $wanted['point']) {
        $wanted = $earlier;
    }
    $text = json_encode($wanted, JSON_UNESCAPED_SLASHES);
    update_option('presslift_sentinel', $text, false);
    if (presslift_raw_option('presslift_sentinel') !== $text) {
        presslift_fail('The row of the sentinel cannot be written');
    }
    $file = rtrim($request['root'], '/') . '/' . ltrim($arguments['file'], '/');
    // Put in place by a rename: a copy that runs meanwhile sees the old one or the new one.
    $part = "$file.part";
    if (!wp_mkdir_p(dirname($file)) || @file_put_contents($part, "$text\n") === false) {
        presslift_fail("The file of the sentinel cannot be written: {$arguments['file']}");
    }
    chmod($part, 0644);
    if (!rename($part, $file)) {
        presslift_fail("The file of the sentinel cannot be written: {$arguments['file']}");
    }
    return ['nonce' => $wanted['nonce'], 'writtenAt' => $wanted['writtenAt'], 'file' => $arguments['file']];
}

/** WordPress as it is now, for the recovery point, and again for a restored copy that is compared with it. */
function presslift_operation_describe_site(array $arguments, array $request): array
{
    $facts = presslift_facts($request);
    $options = [];
    foreach (['active_plugins', 'auto_update_plugins', 'auto_update_themes', 'current_theme', 'db_version', 'home',
        'siteurl', 'stylesheet', 'template'] as $name) {
        $value = presslift_raw_option($name);
        if ($value !== null) {
            $options[$name] = $value;
        }
    }
    $plugins = array_map(fn($one) => ['file' => $one['file'], 'version' => $one['version'], 'active' => $one['active']],
        $facts['plugins']);
    return [
        'version' => $facts['version'],
        'databaseVersion' => $facts['databaseVersion']['site'],
        'php' => $facts['php'],
        'siteUrl' => $facts['siteUrl'],
        'tablePrefix' => $facts['tablePrefix'],
        'plugins' => $plugins,
        'themes' => $facts['themes'],
        'options' => (object) $options,
        'saltsFingerprint' => $facts['saltsFingerprint'],
        'newestPostAt' => presslift_newest_post(),
        'samples' => ['frontPageTitle' => (string) presslift_raw_option('blogname'), 'post' => presslift_sample_post()],
    ];
}

/** When the newest post, page, product or order was published or placed; null without any. */
function presslift_newest_post(): ?string
{
    global $wpdb;
    $times = [$wpdb->get_var(
        "SELECT MAX(post_date_gmt) FROM $wpdb->posts
         WHERE (post_status = 'publish' AND post_type IN ('post', 'page', 'product'))
            OR (post_type = 'shop_order' AND post_status NOT IN ('auto-draft', 'trash'))"
    )];
    $orders = "{$wpdb->prefix}wc_orders";
    if ($wpdb->get_var($wpdb->prepare('SHOW TABLES LIKE %s', $wpdb->esc_like($orders))) === $orders) {
        $times[] = $wpdb->get_var("SELECT MAX(date_created_gmt) FROM `$orders` WHERE type = 'shop_order'");
    }
    $newest = max(array_map(fn($time) => (string) $time, $times));
    return $newest === '' ? null : str_replace(' ', 'T', $newest) . 'Z';
}

/** A post that anonymous visitors can read and find: the newest one, else the newest page. */
function presslift_sample_post(): ?array
{
    global $wpdb;
    $found = $wpdb->get_row(
        "SELECT ID, post_title FROM $wpdb->posts
         WHERE post_type IN ('post', 'page') AND post_status = 'publish' AND post_password = '' AND post_title <> ''
         ORDER BY post_type = 'post' DESC, post_date_gmt DESC, ID DESC LIMIT 1"
    );
    if ($found === null) {
        return null;
    }
    $url = parse_url((string) get_permalink((int) $found->ID));
    $path = ($url['path'] ?? '/') . (isset($url['query']) ? "?{$url['query']}" : '');
    return ['path' => $path, 'title' => $found->post_title];
}

/**
 * Keeps WordPress's own updates in the background from starting: takes the lock that they take, so that it expires by itself.
 * Arguments: point, seconds. `held` is false while an update runs.
 */
function presslift_operation_hold_updates(array $arguments): array
{
    require_once ABSPATH . 'wp-admin/includes/class-wp-upgrader.php';
    $lock = presslift_raw_option('auto_updater.lock');
    $owner = json_decode((string) presslift_raw_option('presslift_updates_held'), true);
    $ours = is_array($owner) && (string) ($owner['lock'] ?? '') === (string) $lock;
    if (!$ours && !WP_Upgrader::create_lock('auto_updater')) {
        return ['held' => false, 'since' => $lock === null ? null : gmdate('Y-m-d\TH:i:s\Z', (int) $lock)];
    }
    // WordPress takes a lock for dead an hour after the time that stands in it.
    $value = time() + max(0, (int) $arguments['seconds'] - HOUR_IN_SECONDS);
    update_option('auto_updater.lock', $value, false);
    update_option('presslift_updates_held', json_encode(['point' => $arguments['point'], 'lock' => $value]), false);
    return ['held' => true, 'since' => null];
}

/** Gives the lock back, unless it is somebody else's by now. Arguments: point. */
function presslift_operation_release_updates(array $arguments): array
{
    $owner = json_decode((string) presslift_raw_option('presslift_updates_held'), true);
    if (!is_array($owner) || ($owner['point'] ?? null) !== $arguments['point']) {
        return ['released' => false];
    }
    $ours = (string) presslift_raw_option('auto_updater.lock') === (string) $owner['lock'];
    if ($ours) {
        delete_option('auto_updater.lock');
    }
    delete_option('presslift_updates_held');
    return ['released' => $ours];
}
