package dev.chatcluster.kafka;

import java.time.Duration;
import java.time.Instant;
import java.util.List;

/** What a node says of itself and of the cluster as it sees it. The steward writes it, {@link StateServer} tells it. */
public final class State {
    /**
     * One broker.
     *
     * @param alive whether it has joined and may be used
     * @param holds copies of partitions on it; one with none may go
     * @param leads partitions that it leads
     */
    public record Broker(int id, boolean alive, int holds, int leads) {}

    /**
     * One moment of the cluster.
     *
     * @param leader      the active controller's node; -1: not known
     * @param voters      nodes that elect it, as the active controller says; empty elsewhere
     * @param brokers     all that are registered
     * @param behind      copies that are out of step, the first twenty
     * @param behindCount how many there are
     * @param reassigning partitions that are under way to another place
     * @param doing       what the steward did last, on the active controller
     * @param problem     why it could not do what it should; "" when it could
     */
    public record View(
            int leader,
            List<Integer> voters,
            List<Broker> brokers,
            List<String> behind,
            int behindCount,
            int reassigning,
            String doing,
            String problem) {}

    /** As it is told: what is known without asking anybody, and the last view. */
    public record Told(int node, boolean formed, boolean ready, String why, View view) {}

    /** Longer than everything that is done between two signs of life. */
    private static final Duration LONGEST = Duration.ofMinutes(3);

    private static final View NOTHING = new View(-1, List.of(), List.of(), List.of(), 0, 0, "", "");

    private final int node;
    private volatile boolean formed;
    private volatile String why = "starts";
    private volatile boolean safe = true;
    private volatile View view = NOTHING;
    private volatile Instant moved = Instant.now();

    State(int node, boolean formed) {
        this.node = node;
        this.formed = formed;
    }

    /** Whether this node belongs to a cluster, as far as its disk says. */
    boolean formed() {
        return formed;
    }

    void nowFormed() {
        formed = true;
    }

    /** Not ready, for that reason; the rest is as it was. */
    void waiting(String reason) {
        moved = Instant.now();
        why = reason;
    }

    /** The cluster as seen now; `reason` is why this node is not ready, "" when it is. */
    void seen(View now, String reason, boolean mayStop) {
        moved = Instant.now();
        view = now;
        why = reason;
        safe = mayStop;
    }

    /** Whether the cluster goes on without this node: what it holds is in step elsewhere often enough. */
    boolean mayStop() {
        return safe;
    }

    /** Whether what writes this goes on; nothing but a restart would mend it otherwise. */
    boolean alive() {
        return moved.plus(LONGEST).isAfter(Instant.now());
    }

    Told told() {
        String reason = why;
        return new Told(node, formed, reason.isEmpty(), reason, view);
    }
}
