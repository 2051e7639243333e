import java.io.ByteArrayInputStream;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;

/** Posts a file as Java's own client does by default, which offers HTTP/2: URL, content type, file. */
class Ask {
    public static void main(String[] given) throws Exception {
        var client = HttpClient.newHttpClient();
        for (int at = 0; at < given.length; at += 3) {
            byte[] body = Files.readAllBytes(Path.of(given[at + 2]));
            var whole = BodyPublishers.ofByteArray(body);
            var chunked = BodyPublishers.ofInputStream(() -> new ByteArrayInputStream(body));
            for (var publisher : new HttpRequest.BodyPublisher[] {whole, chunked, whole}) {
                var request = HttpRequest.newBuilder(URI.create(given[at]))
                    .header("Content-Type", given[at + 1]).POST(publisher).build();
                var answer = client.send(request, BodyHandlers.ofString());
                System.out.println(answer.version() + " " + answer.statusCode() + " " + answer.body().strip());
            }
        }
    }
}
