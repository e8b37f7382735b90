import { Entrance } from "@/features/shell/entrance";

/** Every screen of the app is this one page; going about in it asks the server nothing. */
export default function Page() {
  return <Entrance />;
}
