import type { Readable } from 'node:stream';
import { Injectable } from '@nestjs/common';

/** A file of an operator, open for reading. The stream fails with an UpstreamError. */
export interface OperatorFile {
  stream: Readable;
  /** As the portal's answer names it, without parameters. */
  mime: string | null;
  /** Bytes, when the answer names them. */
  size: number | null;
}

export interface Operator {
  firstName: string;
  lastName: string;
  position: string;
}

/** What the room of Bitrix24 can tell whoever sends operators' words on. */
export interface OperatorSource {
  /** Opens a file that the portal's event named; throws UpstreamError (`refused`: it will never be had). */
  openFile(portalId: bigint, url: string, options: { maxBytes: number; signal: AbortSignal }): Promise<OperatorFile>;
  /** As their profile names them. Null: the portal does not say now; nobody waits for it. */
  operator(portalId: bigint, userId: string): Promise<Operator | null>;
  /** As clients of the line may know them; `hidden`: not at all. Null: the portal does not say now. */
  operatorOnLine(line: { portalId: bigint; lineId: string }, userId: string): Promise<Operator | 'hidden' | null>;
}

/** Where the room of Bitrix24 hands in what the room of Telegram asks of it: neither knows the other. */
@Injectable()
export class OperatorSide implements OperatorSource {
  private source: OperatorSource | null = null;

  register(source: OperatorSource): void {
    this.source = source;
  }

  openFile(...asked: Parameters<OperatorSource['openFile']>): Promise<OperatorFile> {
    return this.registered.openFile(...asked);
  }

  operator(...asked: Parameters<OperatorSource['operator']>): Promise<Operator | null> {
    return this.registered.operator(...asked);
  }

  operatorOnLine(...asked: Parameters<OperatorSource['operatorOnLine']>): Promise<Operator | 'hidden' | null> {
    return this.registered.operatorOnLine(...asked);
  }

  private get registered(): OperatorSource {
    if (!this.source) throw new Error('No room of Bitrix24 has been started.');
    return this.source;
  }
}
