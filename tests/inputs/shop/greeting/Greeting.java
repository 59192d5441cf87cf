package greeting;

/** A library. */
public class Greeting {
    public static String to(String name) {
        return "hello to " + name;
    }
}
