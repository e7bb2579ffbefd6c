<?php
// GET with PHP's curl extension.
$handle = curl_init($argv[1]);
curl_setopt_array($handle, [CURLOPT_RETURNTRANSFER => true, CURLOPT_TIMEOUT => 10]);
$body = curl_exec($handle);
if ($body === false) {
    fwrite(STDERR, curl_error($handle) . "\n");
    exit(1);
}
echo curl_getinfo($handle, CURLINFO_RESPONSE_CODE), "\n", strtok($body, "\n"), "\n";
