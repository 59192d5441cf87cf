import java.io.DataInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.util.Collections;
import java.util.HexFormat;
import java.util.zip.ZipEntry;
import java.util.zip.ZipFile;

/** Reads zip archives as Java does: for each, a line for each file, then whether it could be read. */
public class Zip {
    public static void main(String[] arguments) throws Exception {
        Path path = Files.createTempFile("zip", ".zip");
        try (DataInputStream archives = new DataInputStream(Files.newInputStream(Path.of(arguments[0])))) {
            while (archives.available() > 0) {
                byte[] blob = new byte[(int) archives.readLong()];
                archives.readFully(blob);
                Files.write(path, blob);
                System.out.println(list(path));
            }
        } finally {
            Files.delete(path);
        }
    }

    static String list(Path path) {
        StringBuilder lines = new StringBuilder();
        try (ZipFile archive = new ZipFile(path.toFile())) {
            for (ZipEntry entry : Collections.list(archive.entries())) {
                if (entry.isDirectory()) {
                    continue;
                }
                try (InputStream content = archive.getInputStream(entry)) {
                    byte[] digest = MessageDigest.getInstance("SHA-256").digest(content.readAllBytes());
                    byte[] name = entry.getName().getBytes(StandardCharsets.UTF_8);
                    lines.append(HexFormat.of().formatHex(name)).append(' ').append(HexFormat.of().formatHex(digest)).append('\n');
                }
            }
            return lines + "end";
        } catch (Exception error) {
            return "refused";
        }
    }
}
