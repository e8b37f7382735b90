package dev.chatcluster.kafka;

import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.stream.IntStream;

/**
 * What the cluster should be, from a file that is read again and again: it changes while brokers run.
 *
 * @param host        name of each node, where {@code %d} is its id
 * @param members     how many nodes there should be: ids 0 to this, exclusive
 * @param replication how many brokers hold each partition
 * @param topics      partitions at least, by topic
 * @param ports       the same on every node
 */
public record Wished(String host, int members, int replication, Map<String, Integer> topics, Ports ports) {
    /** Three tolerate the loss of one, as three copies of a partition do; more would make every change slower. */
    public static final int MOST_CONTROLLERS = 3;

    private static final ObjectMapper JSON = 
            new ObjectMapper().enable(DeserializationFeature.FAIL_ON_MISSING_CREATOR_PROPERTIES);

    public record Ports(int client, int controller, int state) {}

    public Wished {
        topics = Map.copyOf(topics);
        if (members < 1 || replication < 1 || replication > members) {
            throw new IllegalArgumentException(members + " members, " + replication + " copies of each partition");
        }
    }

    public static Wished read(Path file) throws IOException {
        return JSON.readValue(file.toFile(), Wished.class);
    }

    public String hostOf(int node) {
        return host.formatted(node);
    }

    public List<Integer> ids() {
        return IntStream.range(0, members).boxed().toList();
    }

    public List<Integer> controllers() {
        return IntStream.range(0, Math.min(members, MOST_CONTROLLERS)).boxed().toList();
    }

    /** Copies that must be in step for a write to be taken: all but one. */
    public int inSync() {
        return Math.max(1, replication - 1);
    }
}
