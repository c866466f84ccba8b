/** A message that a client and a bot both have. */
export interface ReactedMessage {
  botId: bigint;
  telegramChatId: bigint;
  telegramMessageId: bigint;
}

/**
 * What src/telegram does for operators' reactions, which src/connector hears of: neither imports the other. Provided by
 * PortsModule (src/app.ports.module.ts).
 */
export abstract class ClientReactions {
  /** The bot's only reaction to the message from now on; null: none. Throws UpstreamError. */
  abstract show(message: ReactedMessage, emoji: string | null): Promise<void>;
}
