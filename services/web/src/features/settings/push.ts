import { type Api, ok } from "@/api/client";

const WORKER = "/sw.js";

/** Whether this browser can show pushes at this address at all. */
export function canPush(): boolean {
  return "serviceWorker" in navigator && "PushManager" in window && "Notification" in window;
}

/** A VAPID key as the Push API wants it. */
function bytesOf(base64url: string): Uint8Array<ArrayBuffer> {
  const base64 = base64url.replaceAll("-", "+").replaceAll("_", "/");
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

async function subscription(): Promise<PushSubscription | null> {
  const registration = await navigator.serviceWorker.getRegistration(WORKER);
  return (await registration?.pushManager.getSubscription()) ?? null;
}

/** Whether pushes come to this device. */
export async function hasPush(): Promise<boolean> {
  return canPush() && (await subscription()) !== null;
}

/** Has pushes sent to this device; false when the person does not allow it. Rejects with a Problem. */
export async function beginPush(api: Api): Promise<boolean> {
  const { public_key } = await ok(api.GET("/api/v1/notifications/push-key"));
  if ((await Notification.requestPermission()) !== "granted") return false;
  const registration = await navigator.serviceWorker.register(WORKER);
  await navigator.serviceWorker.ready;
  const made = await registration.pushManager.subscribe({
    userVisibleOnly: true,
    applicationServerKey: bytesOf(public_key),
  });
  const { endpoint = "", keys = {} } = made.toJSON();
  const { p256dh = "", auth = "" } = keys;
  await ok(
    api.POST("/api/v1/notifications/push-subscriptions", {
      body: { endpoint, expirationTime: made.expirationTime, keys: { p256dh, auth } },
    }),
  );
  return true;
}

/** Ends pushes to this device; the server forgets a subscription that its push service has. */
export async function endPush(): Promise<void> {
  await (await subscription())?.unsubscribe();
}
