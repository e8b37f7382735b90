package dev.chatcluster.kafka;

import java.util.ArrayList;
import java.util.Collection;
import java.util.Comparator;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.ExecutionException;
import java.util.stream.Collectors;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitionReassignment;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.QuorumInfo.ReplicaState;
import org.apache.kafka.clients.admin.RaftVoterEndpoint;
import org.apache.kafka.common.Node;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.config.TopicConfig;
import org.apache.kafka.common.errors.TopicExistsException;

/**
 * What brings the cluster nearer to what is wished, one thing at a time: controllers that elect, brokers that have gone,
 * topics and their partitions, where copies are, and how many of them a write needs. Each is decided on anew from a look
 * at the cluster, so it does not matter who does it, or where the one before stopped.
 */
final class Duties {
    private static final long FRESH_MILLIS = 10_000;
    private static final int AT_ONCE = 20;

    private final int id;
    private final Admin admin;
    private final Map<String, Integer> limits = new HashMap<>();

    Duties(int id, Admin admin) {
        this.id = id;
        this.admin = admin;
    }

    /** Does the next thing; what it was, "" when there is none, or none that can be done now. */
    String next(Look look, Wished wished) throws ExecutionException, InterruptedException {
        String done = controllers(look, wished);
        if (done.isEmpty()) {
            done = goneBrokers(look, wished);
        }
        // A copy is put nowhere while somebody who should be there is not: it would be put elsewhere again afterwards.
        if (done.isEmpty() && members(look, wished).keySet().containsAll(wished.ids())) {
            done = topics(look, wished);
            if (done.isEmpty() && look.moving().isEmpty()) {
                done = copies(look, wished);
            }
            if (done.isEmpty() && look.moving().isEmpty()) {
                done = limits(look, wished);
            }
        }
        return done;
    }

    /** Lets in who should vote and does not, first taking out the one that it was before it lost its disk. */
    private String controllers(Look look, Wished wished) throws ExecutionException, InterruptedException {
        Map<Integer, ReplicaState> voters = look.quorum().voters().stream()
                .collect(Collectors.toMap(ReplicaState::replicaId, voter -> voter));
        long now = System.currentTimeMillis();
        for (int node : wished.controllers()) {
            Optional<ReplicaState> waiting = look.quorum().observers().stream()
                    .filter(observer -> observer.replicaId() == node)
                    .filter(observer -> observer.lastFetchTimestamp().orElse(0) > now - FRESH_MILLIS)
                    .max(Comparator.comparing(observer -> observer.lastFetchTimestamp().orElse(0)));
            if (node == id || waiting.isEmpty()) {
                continue;
            }
            ReplicaState voter = voters.get(node);
            if (voter != null) {
                admin.removeRaftVoter(node, voter.replicaDirectoryId()).all().get();
                return "node " + node + " came back with another disk: its vote as it was is taken out";
            }
            Set<RaftVoterEndpoint> endpoint = Set.of(new RaftVoterEndpoint(
                    "CONTROLLER", wished.hostOf(node), wished.ports().controller()));
            admin.addRaftVoter(node, waiting.get().replicaDirectoryId(), endpoint)
                    .all()
                    .get();
            return "node " + node + " votes from now on";
        }
        return "";
    }

    private String goneBrokers(Look look, Wished wished) throws ExecutionException, InterruptedException {
        Map<TopicPartition, List<Integer>> placed = look.placed();
        for (int broker : look.brokers().keySet()) {
            boolean holds = placed.values().stream().anyMatch(brokers -> brokers.contains(broker));
            if (broker >= count(look, wished) && !look.alive(broker) && !holds) {
                admin.unregisterBroker(broker).all().get();
                return "broker " + broker + " is gone and forgotten";
            }
        }
        return "";
    }

    private String topics(Look look, Wished wished) throws ExecutionException, InterruptedException {
        for (Map.Entry<String, Integer> topic : new TreeMap<>(wished.topics()).entrySet()) {
            String name = topic.getKey();
            int wanted = topic.getValue();
            int there = look.topics().containsKey(name)
                    ? look.topics().get(name).partitions().size()
                    : 0;
            if (there >= wanted) {
                continue;
            }
            Map<Integer, List<Integer>> added = placeNew(look, wished, name, there, wanted);
            if (there > 0) {
                admin.createPartitions(
                                Map.of(name, NewPartitions.increaseTo(wanted, new ArrayList<>(added.values()))))
                        .all()
                        .get();
                return "topic " + name + " has " + wanted + " partitions, before " + there;
            }
            Map<String, String> config =
                    Map.of(TopicConfig.MIN_IN_SYNC_REPLICAS_CONFIG, String.valueOf(wished.inSync()));
            try {
                admin.createTopics(List.of(new NewTopic(name, added).configs(config)))
                        .all()
                        .get();
            } catch (ExecutionException refused) {
                if (!(refused.getCause() instanceof TopicExistsException)) {
                    throw refused;
                }
            }
            return "topic " + name + " has " + wanted + " partitions";
        }
        return "";
    }

    /** Brokers of partitions that are to be made, beside all that there are. */
    private Map<Integer, List<Integer>> placeNew(Look look, Wished wished, String topic, int from, int to) {
        Map<TopicPartition, List<Integer>> all = look.placed();
        for (int partition = from; partition < to; partition++) {
            all.put(new TopicPartition(topic, partition), List.of());
        }
        Map<TopicPartition, List<Integer>> plan =
                Placement.plan(all, members(look, wished), wished.replication(), true);
        Map<Integer, List<Integer>> added = new LinkedHashMap<>();
        for (int partition = from; partition < to; partition++) {
            added.put(partition, plan.get(new TopicPartition(topic, partition)));
        }
        return added;
    }

    /** Moves copies off brokers that leave and makes those that are missing; once all is in step, spreads them. */
    private String copies(Look look, Wished wished) throws ExecutionException, InterruptedException {
        Map<TopicPartition, List<Integer>> placed = look.placed();
        Map<TopicPartition, List<Integer>> plan =
                Placement.plan(placed, members(look, wished), wished.replication(), false);
        if (plan.isEmpty() && look.held().stream().allMatch(Look.Held::whole)) {
            plan = Placement.plan(placed, members(look, wished), wished.replication(), true);
        }
        if (plan.isEmpty()) {
            return "";
        }
        Map<TopicPartition, Optional<NewPartitionReassignment>> some = new LinkedHashMap<>();
        plan.entrySet().stream()
                .limit(AT_ONCE)
                .forEach(entry ->
                        some.put(entry.getKey(), Optional.of(new NewPartitionReassignment(entry.getValue()))));
        admin.alterPartitionReassignments(some).all().get();
        return "partitions are put elsewhere: "
                + plan.entrySet().stream()
                        .limit(AT_ONCE)
                        .map(entry -> entry.getKey() + " to " + entry.getValue())
                        .collect(Collectors.joining(", "));
    }

    /** How many copies a write needs: raised once there are so many, or nobody could write; never lowered. */
    private String limits(Look look, Wished wished) throws ExecutionException, InterruptedException {
        List<String> whole = look.topics().keySet().stream()
                .filter(name -> !Integer.valueOf(wished.inSync()).equals(limits.get(name)))
                .filter(name -> look.held().stream()
                        .filter(some -> some.partition().topic().equals(name))
                        .allMatch(some -> some.whole() && some.copies().size() >= wished.replication()))
                .toList();
        for (String name : whole) {
            ConfigResource topic = new ConfigResource(ConfigResource.Type.TOPIC, name);
            String key = TopicConfig.MIN_IN_SYNC_REPLICAS_CONFIG;
            String wanted = String.valueOf(wished.inSync());
            String has = admin.describeConfigs(List.of(topic))
                    .all()
                    .get()
                    .get(topic)
                    .get(key)
                    .value();
            if (Integer.parseInt(has) < wished.inSync()) {
                Collection<AlterConfigOp> change =
                        List.of(new AlterConfigOp(new ConfigEntry(key, wanted), AlterConfigOp.OpType.SET));
                admin.incrementalAlterConfigs(Map.of(topic, change)).all().get();
                limits.put(name, wished.inSync());
                return "a write to " + name + " needs " + wanted + " copies, before " + has;
            }
            limits.put(name, wished.inSync());
        }
        return "";
    }

    /** The brokers that should be there and are, with their racks. */
    private static Map<Integer, String> members(Look look, Wished wished) {
        Map<Integer, String> members = new TreeMap<>();
        for (Node node : look.brokers().values()) {
            if (node.id() < count(look, wished) && !node.isFenced()) {
                members.put(node.id(), node.hasRack() ? node.rack() : "");
            }
        }
        return members;
    }

    /** Never fewer than vote: whoever wishes for less would lose what all of them know. */
    private static int count(Look look, Wished wished) {
        return Math.max(wished.members(), look.quorum().voters().size());
    }
}
