import type { Conversation, Me, MemberRole } from "@/core/types";

const RANK: Record<MemberRole, number> = { member: 0, admin: 1, owner: 2 };

/** What the caller may do in a conversation, as the table of the contract has it. The server decides; this hides what
 * would be refused. */
export interface Permissions {
  write: boolean;
  pin: boolean;
  /** `@all` and `@here` mean everybody. */
  mentionEverybody: boolean;
  /** Add people, change name, topic, visibility and who may write. */
  manage: boolean;
  deleteOthers: boolean;
  changeRetention: boolean;
  /** Change roles, hand over, delete the conversation. */
  own: boolean;
  leave: boolean;
  /** Remove somebody with a role. */
  remove: (role: MemberRole) => boolean;
}

export function permissionsIn(conversation: Conversation, me: Pick<Me, "id" | "role">): Permissions {
  const role = conversation.members.find((member) => member.user_id === me.id)?.role ?? null;
  const direct = conversation.type === "direct";
  const channel = conversation.type === "channel";
  const admin = role === "admin" || role === "owner";
  const moderator = me.role === "moderator" || me.role === "admin";
  return {
    write: role !== null && (conversation.posting === "members" || admin),
    pin: role !== null && (!channel || admin),
    mentionEverybody: role !== null && !direct && (!channel || admin),
    manage: admin && !direct,
    deleteOthers: (admin && !direct) || moderator,
    changeRetention: role !== null && (direct || role === "owner"),
    own: role === "owner" && !direct,
    leave: role !== null && !direct,
    remove: (other) => !direct && role !== null && RANK[role] > RANK[other],
  };
}
