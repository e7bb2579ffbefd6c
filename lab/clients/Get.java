// Gets a URL as most Java programs do (HttpsURLConnection, the platform's trust) and prints the first line of the body.
// Run it as it is: java Get.java https://www.example.com/

import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.net.URI;
import java.net.URLConnection;
import java.nio.charset.StandardCharsets;

public class Get {
    public static void main(String[] arguments) {
        try {
            URLConnection connection = URI.create(arguments[0]).toURL().openConnection();
            connection.setConnectTimeout(20_000);
            connection.setReadTimeout(20_000);
            try (var body = new BufferedReader(new InputStreamReader(connection.getInputStream(), StandardCharsets.UTF_8))) {
                System.out.println(body.readLine());
            }
        } catch (IOException error) {
            System.err.println(error);
            System.exit(1);
        }
    }
}
