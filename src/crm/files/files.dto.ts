/** A file that goes along. */
export class KeptFileItem {
  name: string;
  mime: string | null;

  /** Bytes. */
  size: number;
}
