export { metricsPage as GET } from "@/server/metrics";

export const dynamic = "force-dynamic";
