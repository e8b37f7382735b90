import { ForgotPassword } from "@/features/account/forgot-password";

export default function Page() {
  return <ForgotPassword />;
}
