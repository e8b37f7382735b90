package dev.chatcluster.kafka;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.io.InputStream;
import java.net.HttpURLConnection;
import java.net.InetSocketAddress;
import java.net.URI;
import java.time.Duration;
import java.time.Instant;
import java.util.concurrent.Executors;

/**
 * Tells a node's state by HTTP: {@code /state} as JSON, {@code /live} and {@code /ready} for the kubelet, and
 * {@code /stop}, which answers once the node may stop without a write being refused, or after a minute in any case: a
 * hook calls it before the node is told to stop. Nothing can be changed by it.
 */
final class StateServer {
    private static final ObjectMapper JSON = new ObjectMapper();
    private static final Duration LONGEST = Duration.ofSeconds(60);
    private static final int THREADS = 4;
    private static final int TIMEOUT_MILLIS = 2000;

    private StateServer() {}

    static void open(State state, String bind, int port) throws IOException {
        InetSocketAddress address = bind.isEmpty() ? new InetSocketAddress(port) : new InetSocketAddress(bind, port);
        HttpServer server = HttpServer.create(address, 0);
        server.setExecutor(Executors.newFixedThreadPool(THREADS, work -> {
            Thread thread = new Thread(work, "state-server");
            thread.setDaemon(true);
            return thread;
        }));
        server.createContext("/live", exchange -> answer(exchange, state.alive() ? 200 : 503, state));
        server.createContext("/ready", exchange -> answer(exchange, state.told().ready() ? 200 : 503, state));
        server.createContext("/state", exchange -> answer(exchange, 200, state));
        server.createContext("/stop", exchange -> {
            Instant end = Instant.now().plus(LONGEST);
            try {
                while (!state.mayStop() && Instant.now().isBefore(end)) {
                    Thread.sleep(Steward.PERIOD.toMillis());
                }
            } catch (InterruptedException interrupted) {
                Thread.currentThread().interrupt();
            }
            answer(exchange, 200, state);
        });
        server.start();
    }

    /** Whether that node belongs to a cluster; null when it does not answer. */
    static Boolean formed(String host, int port) {
        try {
            URI address = URI.create("http://" + host + ":" + port + "/state");
            HttpURLConnection connection =
                    (HttpURLConnection) address.toURL().openConnection();
            connection.setConnectTimeout(TIMEOUT_MILLIS);
            connection.setReadTimeout(TIMEOUT_MILLIS);
            try (InputStream body = connection.getInputStream()) {
                return JSON.readTree(body).required("formed").asBoolean();
            } finally {
                connection.disconnect();
            }
        } catch (IOException | IllegalArgumentException away) {
            return null;
        }
    }

    private static void answer(HttpExchange exchange, int status, State state) throws IOException {
        try (exchange) {
            byte[] body = JSON.writeValueAsBytes(state.told());
            exchange.getResponseHeaders().set("Content-Type", "application/json");
            exchange.sendResponseHeaders(status, body.length);
            exchange.getResponseBody().write(body);
        }
    }
}
