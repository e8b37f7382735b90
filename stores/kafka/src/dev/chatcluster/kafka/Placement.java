package dev.chatcluster.kafka;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.SortedMap;
import java.util.TreeMap;
import java.util.function.ToIntFunction;
import org.apache.kafka.common.TopicPartition;

/**
 * Which brokers hold which partition, and which of them leads. What is moved is as little as will do: a copy stays where
 * it is unless its broker leaves or, when asked for evenness, holds more than another would.
 */
public final class Placement {
    private static final Comparator<TopicPartition> ORDER =
            Comparator.comparing(TopicPartition::topic).thenComparingInt(TopicPartition::partition);

    private final SortedMap<Integer, String> racks;
    private final SortedMap<TopicPartition, List<Integer>> placed = new TreeMap<>(ORDER);
    private final Map<Integer, Integer> load = new HashMap<>();

    private Placement(Map<Integer, String> racks) {
        this.racks = new TreeMap<>(racks);
        racks.keySet().forEach(broker -> load.put(broker, 0));
    }

    /**
     * The partitions that should be elsewhere, with their brokers, the preferred leader first.
     *
     * @param current brokers of each partition; none for one that is to be made
     * @param racks   the brokers that may hold something, each with its rack, "" where that is not known
     * @param copies  brokers a partition should have at least; fewer where there are not so many
     * @param even    whether copies and leaders should also be spread evenly
     */
    public static Map<TopicPartition, List<Integer>> plan(
            Map<TopicPartition, List<Integer>> current, Map<Integer, String> racks, int copies, boolean even) {
        Placement placement = new Placement(racks);
        placement.keep(current);
        placement.fill(Math.min(copies, racks.size()));
        if (even) {
            placement.spreadCopies();
            placement.spreadLeaders();
        }
        Map<TopicPartition, List<Integer>> changes = new TreeMap<>(ORDER);
        placement.placed.forEach((partition, brokers) -> {
            if (!brokers.equals(current.get(partition))) {
                changes.put(partition, brokers);
            }
        });
        return changes;
    }

    private void keep(Map<TopicPartition, List<Integer>> current) {
        current.forEach((partition, brokers) -> {
            List<Integer> kept = new ArrayList<>(brokers);
            kept.retainAll(racks.keySet());
            kept.forEach(broker -> load.merge(broker, 1, Integer::sum));
            placed.put(partition, kept);
        });
    }

    private void fill(int copies) {
        for (List<Integer> brokers : placed.values()) {
            while (brokers.size() < copies) {
                Set<String> taken = racksOf(brokers);
                int chosen = racks.keySet().stream()
                        .filter(broker -> !brokers.contains(broker))
                        .min(Comparator.comparing((Integer broker) -> taken.contains(racks.get(broker)))
                                .thenComparing(load::get))
                        .orElseThrow();
                brokers.add(chosen);
                load.merge(chosen, 1, Integer::sum);
            }
        }
    }

    private void spreadCopies() {
        boolean moved = true;
        while (moved) {
            moved = false;
            List<Integer> byLoad =
                    racks.keySet().stream().sorted(Comparator.comparing(load::get)).toList();
            // From the fullest to the emptiest; where no copy may go that way, the next best pair.
            for (int last = byLoad.size() - 1; last > 0 && !moved; last--) {
                for (int first = 0; first < last && !moved; first++) {
                    moved = moveOne(byLoad.get(last), byLoad.get(first));
                }
            }
        }
    }

    private boolean moveOne(int from, int to) {
        if (load.get(from) - load.get(to) <= 1) {
            return false;
        }
        for (List<Integer> brokers : placed.values()) {
            int index = brokers.indexOf(from);
            if (index < 0 || brokers.contains(to)) {
                continue;
            }
            List<Integer> after = new ArrayList<>(brokers);
            after.set(index, to);
            if (racksOf(after).size() >= racksOf(brokers).size()) {
                brokers.set(index, to);
                load.merge(from, -1, Integer::sum);
                load.merge(to, 1, Integer::sum);
                return true;
            }
        }
        return false;
    }

    private void spreadLeaders() {
        Map<Integer, Integer> leads = new HashMap<>();
        racks.keySet().forEach(broker -> leads.put(broker, 0));
        placed.values().forEach(brokers -> leads.merge(brokers.get(0), 1, Integer::sum));
        ToIntFunction<List<Integer>> gain = brokers -> {
            int least = brokers.stream().mapToInt(leads::get).min().orElseThrow();
            return leads.get(brokers.get(0)) - least;
        };
        while (true) {
            List<Integer> brokers = placed.values().stream()
                    .filter(some -> gain.applyAsInt(some) > 1)
                    .findFirst()
                    .orElse(null);
            if (brokers == null) {
                return;
            }
            int leader = brokers.get(0);
            int index = brokers.indexOf(
                    brokers.stream().min(Comparator.comparing(leads::get)).orElseThrow());
            brokers.set(0, brokers.get(index));
            brokers.set(index, leader);
            leads.merge(leader, -1, Integer::sum);
            leads.merge(brokers.get(0), 1, Integer::sum);
        }
    }

    /** Brokers of which nobody knows the rack are each in one of their own. */
    private Set<String> racksOf(List<Integer> brokers) {
        Set<String> found = new HashSet<>();
        brokers.forEach(broker -> found.add(racks.get(broker).isEmpty() ? "#" + broker : racks.get(broker)));
        return found;
    }
}
