# The renames of exchange-trees.sh. Standard input: path, staged, kept and `true` or `false` (mounted) of every tree, each with
# NUL at its end, paths below $VOLUME. Argument:
#   note    prints path and inode (or `none`) of everything that is to stand in the place of something, each with NUL at its end;
#   switch  puts that in place; what was there goes to `kept`;
#   back    puts what was kept in place again; what is there goes to `staged`.
# `switch` and `back` read what `note` said from the file $INODES, and print a line a tree: how, `whole` or `entries`, how many these
# are, milliseconds, with tabs. All that has to be so is looked at before the first rename; on standard error is why it is not.
use strict;
use warnings;
use Time::HiRes qw(time);

my ($mode) = @ARGV;
my ($volume, $inodes) = @ENV{qw(VOLUME INODES)};

sub refuse { print STDERR "$_[0]\n"; exit 3 }

sub records {
    my ($handle) = @_;
    binmode $handle;
    local $/;
    my @records = split /\0/, <$handle> // '', -1;
    # Behind the last NUL there is nothing.
    pop @records;
    return @records;
}

# In a volume's root a tree has no path, and its entries have no folder before them.
sub below { my ($folder, $name) = @_; return $folder eq '' ? $name : "$folder/$name" }
sub inode { my @facts = lstat $_[0]; return @facts ? $facts[1] : 'none' }
sub there { return lstat($_[0]) ? 1 : 0 }

sub names {
    my ($path) = @_;
    opendir my $folder, $path or return ();
    # The folder of rollbacks itself may be in here.
    return grep { $_ ne '.' && $_ ne '..' && $_ ne '.presslift' } readdir $folder;
}

# A folder that a pod's start made meanwhile has nothing in it.
sub is_empty { my ($path) = @_; return -d $path && !-l $path && !names($path) }

sub parents {
    my ($path) = @_;
    my $at = $volume;
    for my $name (split m{/}, $path) {
        return if "$at/$name" eq "$volume/$path";
        $at .= "/$name";
        mkdir $at, 0755 or there($at) or refuse("A folder for $path cannot be made: $!");
    }
}

sub move {
    my ($from, $to) = @_;
    # A file does not take the place of a folder, empty or not.
    rmdir $to if is_empty($to);
    rename $from, $to or refuse("$from cannot be renamed: $!");
}

# Both names in one step, where the file system and the kernel can.
my %renameat2 = (x86_64 => 316, aarch64 => 276);
sub exchanged {
    my ($one, $other) = @_;
    our $number //= do { chomp(my $machine = `uname -m`); $renameat2{$machine} // 0 };
    my ($here, $exchange) = (-100, 2);
    return $number && syscall($number, $here, "$one", $here, "$other", $exchange) == 0;
}

my @fields = records(\*STDIN);
my @trees;
while (@fields >= 4) {
    my ($path, $staged, $kept, $mounted) = splice @fields, 0, 4;
    push @trees, { path => $path, staged => $staged, kept => $kept, mounted => $mounted eq 'true' };
}

sub item {
    my ($tree, $name) = @_;
    return { map { $_ => defined $name ? below($tree->{$_}, $name) : $tree->{$_} } qw(path staged kept) };
}

if ($mode eq 'note') {
    for my $tree (@trees) {
        -d "$volume/$tree->{staged}" or refuse("There is no restored tree in $tree->{staged}");
        my %seen = map { $_ => 1 } map { names("$volume/$tree->{$_}") } qw(path staged);
        # What pods have mounted of a folder that is gone is lost to them in any case.
        my $entries = $tree->{mounted} && -d "$volume/$tree->{path}";
        for my $item ($entries ? map { item($tree, $_) } sort keys %seen : item($tree)) {
            print "$item->{path}\0", inode("$volume/$item->{staged}"), "\0";
        }
    }
    exit 0;
}

open my $noted, '<', $inodes or refuse("$inodes cannot be read: $!");
my %restored = records($noted);

# What is to be done with an item: `first` finishes what an interrupted run has left, out of sight of the site; `pair` is exchanged in
# one step or, where that cannot be, `moves` are done one after the other; `rest` follows when all items are in place, but not after
# `moves` of a pair, which leave nothing to be done.
sub plan_switch {
    my ($item) = @_;
    my ($path, $live, $staged, $kept, $restored) = @$item{qw(path live staged kept restored)};
    if ($restored eq 'none') {
        return { how => 'done-before' } unless there($live);
        refuse("$path came back after it was kept") if there($kept);
        return { how => 'one-rename', moves => [[$live, $kept]] };
    }
    # After an exchange the old one stands where the restored one was.
    my @rest = there($staged) && !there($kept) ? ([$staged, $kept]) : ();
    return { how => 'done-before', rest => \@rest } if inode($live) eq $restored;
    refuse("Neither $path nor what was restored of it is as it was restored") if inode($staged) ne $restored;
    return { how => 'one-rename', moves => [[$staged, $live]] } if !there($live) || (is_empty($live) && there($kept));
    refuse("$path came back after it was kept") if there($kept);
    return { how => 'exchange', pair => [$live, $staged], rest => [[$staged, $kept]],
        moves => [[$live, $kept], [$staged, $live]] };
}

sub plan_back {
    my ($item) = @_;
    my ($path, $live, $staged, $kept, $restored) = @$item{qw(path live staged kept restored)};
    my @first;
    if (!there($kept)) {
        # There was nothing before, or it was never switched.
        return { how => 'done-before' } if $restored eq 'none' || inode($live) ne $restored;
        return { how => 'one-rename', moves => [[$live, $staged]] } if !there($staged);
        # A switch was interrupted after its exchange: what was there stands where the restored one was.
        @first = ([$staged, $kept]);
    } else {
        # Interrupted after an exchange.
        return { how => 'done-before', rest => [[$kept, $staged]] } if inode($kept) eq $restored;
        return { how => 'one-rename', moves => [[$kept, $live]] } if !there($live) || is_empty($live);
        refuse("$path was made anew while what was restored is back in its place") if there($staged);
    }
    my @moves = ([$live, $staged], [$kept, $live]);
    # Of two that nobody has noted it could not be told afterwards whether they are exchanged.
    return { how => 'two-renames', moves => \@moves } if inode($live) ne $restored;
    return { how => 'exchange', first => \@first, pair => [$live, $kept], rest => [[$kept, $staged]], moves => \@moves };
}

for my $tree (@trees) {
    my @items;
    $tree->{entries} = $tree->{mounted} && !exists $restored{ $tree->{path} };
    if ($tree->{entries}) {
        my $prefix = $tree->{path} eq '' ? '' : "$tree->{path}/";
        @items = map { item($tree, $_) } sort map { index($_, $prefix) == 0 ? substr($_, length $prefix) : () } keys %restored;
        # With no folder before it an entry cannot be told from that of another tree.
        @items = grep { index(substr($_->{path}, length $prefix), '/') < 0 } @items;
    } else {
        @items = (item($tree));
    }
    for my $item (@items) {
        $item->{restored} = $restored{ $item->{path} } // 'unknown';
        $item->{live} = "$volume/$item->{path}";
        parents($item->{$_}) for qw(staged kept);
        $item->{$_} = "$volume/$item->{$_}" for qw(staged kept);
        $item->{plan} = $mode eq 'switch' ? plan_switch($item) : plan_back($item);
    }
    $tree->{items} = \@items;
}

for my $plan (map { $_->{plan} } map { @{ $_->{items} } } @trees) {
    move(@$_) for @{ $plan->{first} // [] };
}

for my $tree (@trees) {
    my %how;
    my $began = time;
    for my $plan (map { $_->{plan} } @{ $tree->{items} }) {
        if ($plan->{pair} && exchanged(@{ $plan->{pair} })) {
            $how{exchange}++;
            next;
        }
        $how{ $plan->{pair} ? 'two-renames' : $plan->{how} }++;
        move(@$_) for @{ $plan->{moves} // [] };
        $plan->{rest} = [] if $plan->{pair};
    }
    my $milliseconds = (time - $began) * 1000;
    for my $plan (map { $_->{plan} } @{ $tree->{items} }) {
        move(@$_) for @{ $plan->{rest} // [] };
    }
    # The step that leaves a name away for longest names the whole.
    my ($how) = grep { $how{$_} } qw(two-renames exchange one-rename);
    printf "%s\t%s\t%d\t%.3f\n", $how // 'done-before', $tree->{entries} ? 'entries' : 'whole',
        scalar @{ $tree->{items} }, $milliseconds;
}
