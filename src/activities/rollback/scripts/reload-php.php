<?php
/**
 * Makes PHP read every file anew, without a lost request: PHP-FPM's master is told to reload (requests that are under way
 * end first), or Apache to restart gracefully. Waits until every worker is a new one. Prints one JSON document.
 */
error_reporting(0);

$answer = function (array $document): never {
    fwrite(STDOUT, json_encode($document) . "\n");
    exit(0);
};
if (!function_exists('posix_kill')) {
    $answer(['reloaded' => false, 'why' => 'PHP has no posix extension']);
}
// Signals by number, for PHP's command line may have no extension pcntl: SIGUSR2 is 12, SIGUSR1 is 10.
$masters = ['/^php-fpm: master process/' => 12, '/(^|\/)apache2(\s|$)/' => 10];

/** Process id => [parent, start in clock ticks, command line]. */
$processes = function (): array {
    $found = [];
    foreach (glob('/proc/[0-9]*', GLOB_ONLYDIR) as $folder) {
        $stat = (string) file_get_contents("$folder/stat");
        $end = strrpos($stat, ')');
        if ($end === false) {
            continue;
        }
        $fields = explode(' ', substr($stat, $end + 2));
        $command = trim(str_replace("\0", ' ', (string) file_get_contents("$folder/cmdline")));
        $found[(int) basename($folder)] = [(int) $fields[1], (int) $fields[19], $command];
    }
    return $found;
};

$before = $processes();
$master = null;
$signal = null;
foreach ($before as $id => [$parent, , $command]) {
    foreach ($masters as $pattern => $number) {
        $own = preg_match($pattern, $command) === 1;
        $child = isset($before[$parent]) && preg_match($pattern, $before[$parent][2]) === 1;
        if ($own && !$child) {
            [$master, $signal] = [$id, $number];
        }
    }
}
if ($master === null) {
    $answer(['reloaded' => false, 'why' => 'neither PHP-FPM nor Apache runs in this container']);
}
if ($signal === 12) {
    // Without a time for it PHP-FPM ends its workers in the middle of what they answer. `php-fpm -tt` would not know variables of the
    // master's environment that its configuration refers to, and that environment has been overwritten by the title.
    $main = preg_match('/\((\/[^)]+)\)/', $before[$master][2], $found) === 1 ? $found[1] : '';
    $text = (string) file_get_contents($main);
    preg_match_all('/^\s*include\s*=\s*"?([^"\s]+)/m', $text, $found);
    foreach ($found[1] as $pattern) {
        foreach (glob($pattern) ?: [] as $file) {
            $text .= "\n" . file_get_contents($file);
        }
    }
    preg_match_all('/^\s*process_control_timeout\s*=\s*"?(\d+)/m', $text, $found);
    if ((int) end($found[1]) === 0) {
        $answer(['reloaded' => false, 'why' => 'PHP-FPM has no process_control_timeout and would break off requests']);
    }
}
$workers = fn(array $all): array => array_filter($all, fn($one) => $one[0] === $master);
$old = $workers($before);
if (!posix_kill($master, $signal)) {
    $answer(['reloaded' => false, 'why' => 'the command in the pod may not signal PHP']);
}
for ($attempt = 0; $attempt < 300; $attempt++) {
    usleep(100_000);
    $now = $workers($processes());
    $same = array_filter($now, fn($one, $id) => isset($old[$id]) && $old[$id][1] === $one[1], ARRAY_FILTER_USE_BOTH);
    if ($now !== [] && $same === []) {
        $answer(['reloaded' => true, 'workers' => count($now), 'milliseconds' => ($attempt + 1) * 100]);
    }
}
$answer(['reloaded' => false, 'why' => 'old workers still run after 30 s']);
