import type { Readable } from 'node:stream';

/** Stands for the name of a file whose link names none, until whoever has the file names it. */
export const UNNAMED_FILE = 'file';

/** A file of an operator, open for reading. The stream fails with an UpstreamError. */
export interface OperatorFile {
  stream: Readable;
  /** As the portal's answer names it. */
  name: string | null;
  /** The same, without parameters. */
  mime: string | null;
  /** Bytes, when the answer names them. */
  size: number | null;
}

export interface Operator {
  firstName: string;
  lastName: string;
  position: string;
}

/** Files that operators sent. Implemented by src/connector, provided by PortsModule (src/app.ports.module.ts). */
export abstract class OperatorDownloads {
  /** Opens a file that the portal's event named. Throws UpstreamError (`refused`: it can never be had). */
  abstract open(
    portalId: bigint,
    url: string,
    options: { maxBytes: number; signal: AbortSignal },
  ): Promise<OperatorFile>;
}

/** Who the operators are. Implemented by src/connector, provided by PortsModule (src/app.ports.module.ts). */
export abstract class OperatorDirectory {
  /** As their profile names them. Null: nobody of that id, or the portal does not say within 3 s. */
  abstract operator(portalId: bigint, userId: string): Promise<Operator | null>;
  /** As clients of the line may know them; `hidden`: not at all. Null as above. */
  abstract operatorOnLine(
    line: { portalId: bigint; lineId: string },
    userId: string,
  ): Promise<Operator | 'hidden' | null>;
}
