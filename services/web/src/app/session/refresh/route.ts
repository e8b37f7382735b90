export { refresh as POST } from "@/server/session";
