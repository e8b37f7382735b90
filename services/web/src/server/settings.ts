/** Settings of the web server, from `CHAT_…` variables as every service has them. */

export interface Settings {
  /** Where the gateway is: `http://host:port`. */
  readonly gatewayUrl: string;
  /** From SIGTERM to exit, in ms. */
  readonly drainMs: number;
  /** How long a draining server still takes requests while the edge notices, in ms. */
  readonly noticeMs: number;
}

/** Throws an Error that names the variable which is missing or malformed. */
export function settings(env: Readonly<Record<string, string | undefined>> = process.env): Settings {
  const gatewayUrl = env.CHAT_GATEWAY_URL ?? "";
  if (!/^https?:\/\/[^\s/]+$/.test(gatewayUrl)) {
    throw new Error(`CHAT_GATEWAY_URL must be http://host:port, not ${JSON.stringify(gatewayUrl)}`);
  }
  return {
    gatewayUrl,
    drainMs: seconds(env, "CHAT_DRAIN_SECONDS", 20) * 1_000,
    noticeMs: seconds(env, "CHAT_DRAIN_NOTICE_SECONDS", 3) * 1_000,
  };
}

function seconds(env: Readonly<Record<string, string | undefined>>, name: string, otherwise: number): number {
  const value = env[name] === undefined ? otherwise : Number(env[name]);
  if (!(value >= 0 && value <= 600)) throw new Error(`${name} must be a number of seconds up to 600`);
  return value;
}
