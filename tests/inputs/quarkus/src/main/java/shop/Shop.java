package shop;

import jakarta.ws.rs.GET;
import jakarta.ws.rs.Path;

@Path("/hello")
public class Shop {
    @GET
    public String hello() {
        return "hello from Quarkus";
    }
}
