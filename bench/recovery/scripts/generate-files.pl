# Fills /data with FILES files of BYTES bytes together, as plugins and themes are: many small files of text, fewer large ones
# that do not compress. The same SEED gives the same names, sizes and text.
use strict;
use warnings;

my ($files, $bytes) = ($ENV{FILES}, $ENV{BYTES});
srand($ENV{SEED} // 1);

# Sizes are log-normally distributed, and scaled so that they add up.
my @weights = map { exp(1.4 * sqrt(-2 * log(1 - rand())) * cos(6.28318530718 * rand())) } 1 .. $files;
my $sum = 0;
$sum += $_ for @weights;

my @words = map { join '', map { chr(97 + int rand 26) } 1 .. 2 + int rand 9 } 1 .. 4000;
my $text = '';
$text .= $words[int rand @words] . (rand() < 0.12 ? ";\n" : ' ') while length $text < 8_000_000;
open my $random, '<:raw', '/dev/urandom' or die "urandom: $!";

my ($made, $left) = (0, $bytes);
for my $index (0 .. $#weights) {
    my $last = $index == $#weights;
    my $size = $last ? $left : int($bytes * $weights[$index] / $sum);
    $size = $left if $size > $left;
    $left -= $size;
    my $isText = $size < 60_000;
    my $folder = sprintf '/data/plugins/plugin-%02d/%s/%02d', $index % 37, $isText ? 'includes' : 'assets', $index % 23;
    system('mkdir', '-p', $folder) == 0 or die "mkdir $folder" unless -d $folder;
    my $path = sprintf '%s/file-%05d.%s', $folder, $index, $isText ? 'php' : 'jpg';
    open my $out, '>:raw', $path or die "$path: $!";
    if ($isText) {
        print {$out} substr($text, int rand(length($text) - $size), $size) if $size > 0;
    } else {
        my $rest = $size;
        while ($rest > 0) {
            my $got = read $random, my $chunk, $rest > 1_048_576 ? 1_048_576 : $rest;
            die "urandom: $!" unless $got;
            print {$out} $chunk;
            $rest -= $got;
        }
    }
    close $out or die "$path: $!";
    $made++;
}
system('chown', '-R', '33:33', '/data/plugins') == 0 or die 'chown';
print "$made files, ", $bytes - $left, " bytes\n";
