import { Register } from "@/features/account/register";

export default function Page() {
  return <Register />;
}
