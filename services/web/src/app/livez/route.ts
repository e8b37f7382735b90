export { livez as GET } from "@/server/health";

export const dynamic = "force-dynamic";
