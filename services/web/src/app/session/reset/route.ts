export { resetPassword as POST } from "@/server/session";
