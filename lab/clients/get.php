<?php
// GET with PHP's streams.
$context = stream_context_create(['http' => ['timeout' => 10]]);
$body = file_get_contents($argv[1], false, $context);
if ($body === false) {
    exit(1);
}
echo $http_response_header[0], "\n", strtok($body, "\n"), "\n";
