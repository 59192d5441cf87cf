package shop;

import greeting.Greeting;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;

/** Says a greeting of a library about a resource of the application. */
public class Main {
    public static void main(String[] arguments) throws Exception {
        try (InputStream page = Main.class.getResourceAsStream("/page.txt")) {
            String text = new String(page.readAllBytes(), StandardCharsets.UTF_8).trim();
            System.out.println(Greeting.to(text) + String.join("", arguments));
        }
    }
}
