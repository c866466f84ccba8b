import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createSecureContext, rootCertificates, type SecureContext } from 'node:tls';
import { Injectable } from '@nestjs/common';
import { StartError } from '../common/start-error.js';
import { Environment } from '../config/environment.js';
import { ApplicationsRepository } from '../storage/accounts/applications.repository.js';
import { CertificatesError, readAuthorities } from './certificates.js';

/** What was read is believed for so long: another replica may have changed it. */
const KEPT_MS = 5_000;

/** Whose certificates are believed in a connection. */
export interface Authorities {
  /** The same for the same certificates. */
  id: string;
  /** Undefined: those that Node.js knows, NODE_EXTRA_CA_CERTS included. */
  secureContext: SecureContext | undefined;
}

/**
 * Certificate authorities in addition to those that Node.js knows: of B24_CA_FILE for everything towards Bitrix24, of an
 * application for the portal that it belongs to. There is no way to believe everybody.
 */
@Injectable()
export class CertificateAuthorities {
  /** Of B24_CA_FILE. */
  private readonly installation: readonly string[];
  private readonly known = new Map<string, Authorities>();
  private stored: { until: number; byClientId: Promise<Map<string, string>> } | null = null;

  /** Throws {@link StartError} when B24_CA_FILE cannot be used. */
  constructor(
    { B24_CA_FILE }: Environment,
    private readonly applications: ApplicationsRepository,
  ) {
    this.installation = B24_CA_FILE === undefined ? [] : readFile('B24_CA_FILE', B24_CA_FILE);
  }

  /** Those of the installation alone. */
  get ofAll(): Authorities {
    return this.with([]);
  }

  /** Those that count for portals of an application; at most five seconds old. */
  async of(clientId: string): Promise<Authorities> {
    const pem = (await this.read()).get(clientId);
    return pem === undefined ? this.ofAll : this.with([pem]);
  }

  /** An application was changed here. */
  changed(): void {
    this.stored = null;
  }

  private with(more: readonly string[]): Authorities {
    const all = [...this.installation, ...more];
    if (all.length === 0) return { id: '', secureContext: undefined };
    const key = all.join('\n');
    let authorities = this.known.get(key);
    if (!authorities) {
      const secureContext = createSecureContext({ ca: [...knownToNode(), ...all] });
      authorities = { id: createHash('sha256').update(key).digest('base64url'), secureContext };
      this.known.set(key, authorities);
    }
    return authorities;
  }

  private read(): Promise<Map<string, string>> {
    if (this.stored && this.stored.until > performance.now()) return this.stored.byClientId;
    const byClientId = this.applications.caCertificates();
    const stored = { until: performance.now() + KEPT_MS, byClientId };
    this.stored = stored;
    byClientId.catch(() => {
      if (this.stored === stored) this.stored = null;
    });
    return byClientId;
  }
}

/** The option `ca` takes the place of what Node.js knows; tls.getCACertificates is not there in Node.js 20. */
function knownToNode(): readonly string[] {
  const { NODE_EXTRA_CA_CERTS: extra } = process.env;
  if (!extra) return rootCertificates;
  try {
    return [...rootCertificates, readFileSync(extra, 'utf8')];
  } catch {
    // Node.js itself has warned of it at the start.
    return rootCertificates;
  }
}

function readFile(variable: string, path: string): string[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new StartError(`${variable} cannot be read (${(error as { code?: string }).code}): ${path}`);
  }
  try {
    return readAuthorities(text);
  } catch (error) {
    if (error instanceof CertificatesError) throw new StartError(`The file of ${variable} ${error.message}.`);
    throw error;
  }
}
