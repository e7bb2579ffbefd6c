// GET by a program that knows its server's key. Usage: pinned URL BASE64_OF_SPKI_SHA256
// Go checks it inside the handshake, so a mismatch is told with an alert.
package main

import (
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"time"
)

var errPin = errors.New("pin mismatch")

func main() {
	check := func(_ [][]byte, chains [][]*x509.Certificate) error {
		sum := sha256.Sum256(chains[0][0].RawSubjectPublicKeyInfo)
		if base64.StdEncoding.EncodeToString(sum[:]) != os.Args[2] {
			return errPin
		}
		return nil
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{VerifyPeerCertificate: check}, Proxy: http.ProxyFromEnvironment}
	client := http.Client{Timeout: 10 * time.Second, Transport: transport}
	answer, err := client.Get(os.Args[1])
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.Is(err, errPin) {
			os.Exit(90)
		}
		os.Exit(1)
	}
	defer answer.Body.Close()
	fmt.Println(answer.StatusCode)
}
