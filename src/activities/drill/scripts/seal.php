<?php
/**
 * Seals a restored copy off. PHP runs this before every script (auto_prepend_file), so before wp-config.php: a constant that
 * is defined here keeps its value whatever wp-config.php says, and filters that stand here are there when WordPress starts.
 *
 * What it is told stands in seal.json beside it.
 */

(static function (): void {
    $seal = json_decode((string) file_get_contents(__DIR__ . '/seal.json'), true);
    if (!is_array($seal) || !isset($seal['database']['name'], $seal['host'])) {
        // Without it this copy could take the live site's database for its own.
        http_response_code(503);
        exit('This copy is not sealed off');
    }
    $database = $seal['database'];
    $constants = [
        'DB_NAME' => $database['name'],
        'DB_USER' => $database['user'],
        'DB_PASSWORD' => $database['password'],
        'DB_HOST' => $database['host'],
        'WP_HOME' => "https://{$seal['host']}",
        'WP_SITEURL' => "https://{$seal['host']}",
        'DOMAIN_CURRENT_SITE' => $seal['host'],
        'DISABLE_WP_CRON' => true,
        'WP_HTTP_BLOCK_EXTERNAL' => true,
        'WP_ACCESSIBLE_HOSTS' => '',
        'AUTOMATIC_UPDATER_DISABLED' => true,
        // Another server that the live site uses: what this copy wrote there, visitors would get.
        'WP_REDIS_DISABLED' => true,
        'WP_CACHE' => false,
    ];
    foreach ($constants as $name => $value) {
        if (!defined($name)) {
            define($name, $value);
        }
    }
    if (($_SERVER['HTTP_X_FORWARDED_PROTO'] ?? '') === 'https') {
        $_SERVER['HTTPS'] = 'on';
    }
    if (PHP_SAPI !== 'cli' && !headers_sent()) {
        header("X-Presslift-Drill: {$seal['seal']}");
    }
    // WordPress turns hooks that stand here before it loads into real ones. The last to be asked decides.
    $filters = [
        // Counts as sent, so that what waits for an answer goes on.
        'pre_wp_mail' => static fn() => true,
        'pre_http_request' => static fn() => class_exists('WP_Error')
            ? new WP_Error('presslift_drill', 'A restored copy asks nobody')
            : ['response' => ['code' => 503, 'message' => ''], 'headers' => [], 'body' => '', 'cookies' => []],
        'enable_loading_object_cache_dropin' => static fn() => false,
        'enable_loading_advanced_cache_dropin' => static fn() => false,
    ];
    foreach ($filters as $name => $filter) {
        $GLOBALS['wp_filter'][$name][PHP_INT_MAX]['presslift-drill'] = ['function' => $filter, 'accepted_args' => 1];
    }
})();
