export { signIn as POST, signOut as DELETE } from "@/server/session";
