<?php
/**
 * Fills a WordPress with the site "Acme Garden Supplies". Goes to `php` on standard input, run as www-data in the
 * document root, behind a line that sets $presslift_seed: url, title, adminUser, adminPassword, adminEmail, key, posts,
 * comments, images, plugins (files).
 *
 * Every item has a name that does not change, and what is there is left alone: a second run does nothing, and one after a
 * kill goes on from there. Prints one line of JSON.
 */

$_SERVER['HTTP_HOST'] = parse_url($presslift_seed['url'], PHP_URL_HOST);
$_SERVER['HTTPS'] = 'on';
$_SERVER['REQUEST_URI'] = '/';
$_SERVER['REQUEST_METHOD'] = 'GET';
$_SERVER['SERVER_PROTOCOL'] = 'HTTP/1.1';
$_SERVER['REMOTE_ADDR'] = '127.0.0.1';
define('WP_INSTALLING', true);
define('WP_SITEURL', $presslift_seed['url']);
// No pings and no revisions for posts that nobody writes.
define('WP_IMPORTING', true);
define('WP_POST_REVISIONS', false);

/** Replaces WordPress's own function: there is no mail here. */
function wp_new_blog_notification(): void
{
}

ob_start();
require getcwd() . '/wp-load.php';
require_once ABSPATH . 'wp-admin/includes/admin.php';
require_once ABSPATH . 'wp-admin/includes/upgrade.php';

// Nothing that seeding does needs the network.
add_filter('pre_http_request', fn() => new WP_Error('seeding', 'no requests while the site is filled'));
add_filter('pre_wp_mail', '__return_true');
// The same site every time.
mt_srand(20250901);

$started = microtime(true);
$result = (new AcmeSeed($presslift_seed))->run();
$result['milliseconds'] = (int) round(1000 * (microtime(true) - $started));
ob_end_clean();
echo wp_json_encode($result), "\n";

final class AcmeSeed
{
	private const FIRST_DAY = '2025-09-01 08:00:00';
	private const CATEGORIES = ['Vegetables', 'Flowers', 'Tools', 'Soil', 'Greenhouse', 'Season'];
	private const TAGS = ['spring', 'summer', 'autumn', 'winter', 'compost', 'seeds', 'water', 'pruning', 'bees'];
	private const WORDS = [
		'garden', 'soil', 'seed', 'water', 'leaf', 'root', 'bed', 'frost', 'light', 'shade', 'compost', 'spade', 'hedge',
		'tomato', 'bean', 'rose', 'apple', 'herb', 'bulb', 'mulch', 'rain', 'bee', 'path', 'fence', 'trellis', 'harvest',
		'early', 'late', 'deep', 'dry', 'rich', 'young', 'small', 'green', 'before', 'after', 'under', 'between', 'keeps',
		'needs', 'grows', 'covers', 'feeds', 'likes', 'takes', 'the', 'a', 'and', 'with', 'in', 'of', 'every',
	];

	private wpdb $db;
	private int $administrator = 0;
	/** @var int[] */
	private array $attachments = [];

	public function __construct(private array $seed)
	{
		global $wpdb;
		$this->db = $wpdb;
	}

	public function run(): array
	{
		if (!is_blog_installed()) {
			wp_install($this->seed['title'], $this->seed['adminUser'], $this->seed['adminEmail'], true, '', wp_slash($this->seed['adminPassword']));
		}
		wp_installing(false);
		wp_cache_flush();
		$this->settings();
		$this->inTransaction(fn() => $this->images());
		$this->inTransaction(fn() => $this->posts());
		$this->inTransaction(fn() => $this->comments());
		update_option('acme_seed', $this->seed['key'], false);
		return [
			'posts' => (int) wp_count_posts()->publish,
			'comments' => (int) wp_count_comments()->approved,
			'images' => (int) array_sum((array) wp_count_attachments('image')),
			'plugins' => get_option('active_plugins'),
			'theme' => get_stylesheet(),
			'version' => get_bloginfo('version'),
		];
	}

	/** Administrator, addresses, permalinks, theme, plugins. */
	private function settings(): void
	{
		$user = get_user_by('login', $this->seed['adminUser']);
		if (!wp_check_password($this->seed['adminPassword'], $user->user_pass, $user->ID)) {
			wp_set_password($this->seed['adminPassword'], $user->ID);
		}
		$this->administrator = $user->ID;
		wp_set_current_user($user->ID);
		update_option('siteurl', $this->seed['url']);
		update_option('home', $this->seed['url']);
		update_option('blogdescription', 'Everything for the garden');
		update_option('timezone_string', 'Europe/Berlin');
		update_option('default_pingback_flag', '');
		update_option('default_ping_status', 'closed');
		// Asked now and then whether the address is still right; nobody would see that here.
		update_option('admin_email_lifespan', time() + 10 * YEAR_IN_SECONDS);
		switch_theme('twentytwentyfive');
		foreach ($this->seed['plugins'] as $plugin) {
			$error = activate_plugin($plugin);
			if (is_wp_error($error)) {
				throw new RuntimeException("$plugin: " . $error->get_error_message());
			}
		}
		global $wp_rewrite;
		$wp_rewrite->set_permalink_structure('/%postname%/');
		flush_rewrite_rules(false);
		foreach (['about' => 'About us', 'catalogue' => 'Catalogue'] as $name => $title) {
			if (get_page_by_path($name) === null) {
				$content = $name === 'catalogue' ? '[acme_catalog]' : $this->sentences(6);
				$this->insertPost(['post_type' => 'page', 'post_name' => $name, 'post_title' => $title, 'post_content' => $this->paragraph($content), 'post_date' => self::FIRST_DAY]);
			}
		}
	}

	/** Generated pictures in the media library, with the sizes that WordPress makes of them. */
	private function images(): void
	{
		$known = $this->idsByName('attachment');
		for ($number = 1; $number <= $this->seed['images']; $number++) {
			$name = sprintf('garden-%03d', $number);
			$id = $known[$name] ?? null;
			if ($id === null || !wp_get_attachment_metadata($id)) {
				if ($id !== null) {
					wp_delete_attachment($id, true);
				}
				$id = $this->insertImage($name, $number);
			}
			$this->attachments[] = $id;
		}
	}

	private function insertImage(string $name, int $number): int
	{
		$date = $this->dateOf($number, $this->seed['images']);
		$uploads = wp_upload_dir($date);
		$extension = $number % 5 === 0 ? 'png' : 'jpg';
		$file = "{$uploads['path']}/$name.$extension";
		$this->draw($file, $extension, $number);
		$title = 'Garden picture ' . $number;
		$id = wp_insert_attachment(
			[
				'guid' => "{$uploads['url']}/$name.$extension",
				'post_mime_type' => $extension === 'png' ? 'image/png' : 'image/jpeg',
				'post_title' => $title,
				'post_name' => $name,
				'post_excerpt' => "Bed number $number",
				'post_status' => 'inherit',
				'post_author' => $this->administrator,
				'post_date' => $date,
			],
			$file,
			0,
			true
		);
		if (is_wp_error($id)) {
			throw new RuntimeException($id->get_error_message());
		}
		wp_update_attachment_metadata($id, wp_generate_attachment_metadata($id, $file));
		update_post_meta($id, '_wp_attachment_image_alt', $title);
		return $id;
	}

	private function draw(string $file, string $extension, int $number): void
	{
		$image = imagecreatetruecolor(640, 480);
		$color = fn(int $low, int $high) => imagecolorallocate($image, mt_rand($low, $high), mt_rand($low, $high), mt_rand($low, $high));
		imagefilledrectangle($image, 0, 0, 639, 259, $color(150, 230));
		imagefilledrectangle($image, 0, 260, 639, 479, $color(40, 120));
		for ($flower = 0; $flower < 24; $flower++) {
			$size = mt_rand(20, 70);
			[$x, $y] = [mt_rand(0, 639), mt_rand(240, 460)];
			imagefilledellipse($image, $x, $y, $size, $size, $color(60, 255));
			imagefilledellipse($image, $x, $y, intdiv($size, 3), intdiv($size, 3), $color(180, 255));
		}
		imagestring($image, 5, 20, 20, "Acme Garden Supplies $number", $color(0, 60));
		$written = $extension === 'png' ? imagepng($image, $file, 4) : imagejpeg($image, $file, 82);
		if (!$written) {
			throw new RuntimeException("$file cannot be written");
		}
		chmod($file, 0644);
	}

	private function posts(): void
	{
		wp_defer_term_counting(true);
		$categories = array_map(fn($name) => (int) wp_create_category($name), self::CATEGORIES);
		$known = $this->idsByName('post');
		for ($number = 1; $number <= $this->seed['posts']; $number++) {
			$name = sprintf('garden-note-%03d', $number);
			if (isset($known[$name])) {
				continue;
			}
			$attachment = $this->attachments[($number - 1) % max(1, count($this->attachments))] ?? 0;
			$content = $this->paragraph($this->sentences(4)) . $this->imageBlock($attachment) . $this->paragraph($this->sentences(5)) . $this->paragraph($this->sentences(3));
			$id = $this->insertPost([
				'post_name' => $name,
				'post_title' => "Garden note $number: " . $this->words(3),
				'post_content' => $content,
				'post_date' => $this->dateOf($number, $this->seed['posts']),
				'post_category' => [$categories[$number % count($categories)]],
				'tags_input' => [self::TAGS[$number % 9], self::TAGS[($number * 4 + 1) % 9]],
			]);
			if ($attachment && $number % 2 === 0) {
				set_post_thumbnail($id, $attachment);
			}
		}
		wp_defer_term_counting(false);
		// What every new WordPress begins with.
		foreach ([get_page_by_path('hello-world', OBJECT, 'post'), get_page_by_path('sample-page')] as $sample) {
			if ($sample !== null) {
				wp_delete_post($sample->ID, true);
			}
		}
	}

	private function insertPost(array $post): int
	{
		$id = wp_insert_post($post + ['post_status' => 'publish', 'post_author' => $this->administrator, 'comment_status' => 'open', 'ping_status' => 'closed'], true);
		if (is_wp_error($id)) {
			throw new RuntimeException($id->get_error_message());
		}
		return $id;
	}

	private function comments(): void
	{
		wp_defer_comment_counting(true);
		$ids = array_values($this->idsByName('post'));
		// Documentation addresses (RFC 5737) tell the readers apart.
		$known = array_flip($this->db->get_col("SELECT comment_author_IP FROM {$this->db->comments}"));
		for ($number = 1; $number <= $this->seed['comments']; $number++) {
			$address = "192.0.2.$number";
			if (isset($known[$address])) {
				continue;
			}
			$date = date('Y-m-d H:i:s', strtotime(self::FIRST_DAY) + 4 * WEEK_IN_SECONDS + $number * 7 * DAY_IN_SECONDS / 2);
			wp_insert_comment([
				'comment_post_ID' => $ids[($number * 7) % count($ids)],
				'comment_author' => "Reader $number",
				'comment_author_email' => "reader-$number@example.com",
				'comment_author_IP' => $address,
				'comment_content' => $this->sentences(2),
				'comment_approved' => 1,
				'comment_date' => $date,
				'comment_date_gmt' => get_gmt_from_date($date),
			]);
		}
		wp_defer_comment_counting(false);
	}

	/** Rows by the hundred in one go: with a commit for each, the database would wait for the disk every time. */
	private function inTransaction(callable $work): void
	{
		$this->db->query('START TRANSACTION');
		$work();
		$this->db->query('COMMIT');
	}

	/** @return array<string, int> */
	private function idsByName(string $type): array
	{
		$rows = $this->db->get_results($this->db->prepare("SELECT ID, post_name FROM {$this->db->posts} WHERE post_type = %s ORDER BY ID", $type));
		return array_map('intval', array_column($rows, 'ID', 'post_name'));
	}

	/** The days are spread evenly over a year. */
	private function dateOf(int $number, int $count): string
	{
		return date('Y-m-d H:i:s', strtotime(self::FIRST_DAY) + intdiv($number * 365 * DAY_IN_SECONDS, max(1, $count)));
	}

	private function words(int $count): string
	{
		$words = [];
		while (count($words) < $count) {
			$words[] = self::WORDS[mt_rand(0, count(self::WORDS) - 1)];
		}
		return implode(' ', $words);
	}

	private function sentences(int $count): string
	{
		$sentences = [];
		while (count($sentences) < $count) {
			$sentences[] = ucfirst($this->words(mt_rand(7, 16))) . '.';
		}
		return implode(' ', $sentences);
	}

	private function paragraph(string $text): string
	{
		return "<!-- wp:paragraph -->\n<p>$text</p>\n<!-- /wp:paragraph -->\n\n";
	}

	private function imageBlock(int $attachment): string
	{
		if ($attachment === 0) {
			return '';
		}
		$url = wp_get_attachment_url($attachment);
		return "<!-- wp:image {\"id\":$attachment,\"sizeSlug\":\"full\"} -->\n<figure class=\"wp-block-image size-full\">"
			. "<img src=\"$url\" alt=\"\" class=\"wp-image-$attachment\"/></figure>\n<!-- /wp:image -->\n\n";
	}
}
