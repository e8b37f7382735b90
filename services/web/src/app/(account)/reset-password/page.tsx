import { ResetPassword } from "@/features/account/reset-password";

export default async function Page({ searchParams }: { searchParams: Promise<Record<string, string | string[]>> }) {
  const { token } = await searchParams;
  return <ResetPassword token={typeof token === "string" ? token : null} />;
}
