# GET with Perl's LWP.
use strict;
use warnings;
use LWP::UserAgent;

my $answer = LWP::UserAgent->new(timeout => 10)->get($ARGV[0]);
die $answer->status_line . "\n" unless $answer->is_success;
print $answer->code, "\n", (split /\n/, $answer->decoded_content)[0], "\n";
