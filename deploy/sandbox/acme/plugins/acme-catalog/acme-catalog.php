<?php
/**
 * Plugin Name: Acme Catalog
 * Description: The products of Acme Garden Supplies. The shortcode [acme_catalog] shows them.
 * Version: 1.0.0
 * Requires at least: 6.0
 * Requires PHP: 7.4
 * Author: Acme Garden Supplies
 * License: GPL-2.0-or-later
 * License URI: https://www.gnu.org/licenses/gpl-2.0.html
 * Text Domain: acme-catalog
 *
 * Acme Catalog is free software: you can redistribute it and/or modify it under the terms of the GNU General Public
 * License as published by the Free Software Foundation, either version 2 of the License, or any later version.
 *
 * Acme Catalog is distributed in the hope that it will be useful, but WITHOUT ANY WARRANTY; without even the implied
 * warranty of MERCHANTABILITY or FITNESS FOR A PARTICULAR PURPOSE. See the GNU General Public License for more details.
 */

defined( 'ABSPATH' ) || exit;

const ACME_CATALOG_OPTION = 'acme_catalog_products';

register_activation_hook( __FILE__, 'acme_catalog_activate' );
add_shortcode( 'acme_catalog', 'acme_catalog_shortcode' );

/** Stores the first products, unless there are some. */
function acme_catalog_activate() {
	add_option(
		ACME_CATALOG_OPTION,
		array(
			array( 'name' => 'Watering can, 10 l', 'price' => '24.90' ),
			array( 'name' => 'Spade, ash handle', 'price' => '39.00' ),
			array( 'name' => 'Secateurs', 'price' => '18.50' ),
			array( 'name' => 'Seed potatoes, 2 kg', 'price' => '7.80' ),
		)
	);
}

/** The products as a list. */
function acme_catalog_shortcode() {
	$items = '';
	foreach ( (array) get_option( ACME_CATALOG_OPTION, array() ) as $product ) {
		$items .= sprintf( '<li>%s: %s EUR</li>', esc_html( $product['name'] ), esc_html( $product['price'] ) );
	}
	return '<ul class="acme-catalog">' . $items . '</ul>';
}
