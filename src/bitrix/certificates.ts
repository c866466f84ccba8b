import { X509Certificate } from 'node:crypto';

const BLOCK = /-----BEGIN ([A-Z0-9 ]+)-----[^-]*-----END \1-----/g;
/** More than any company's chain needs. */
const MOST = 50;

/** The text cannot be what it is meant to be. The message is for a person: what is wrong with it. */
export class CertificatesError extends Error {
  override readonly name = 'CertificatesError';
}

/**
 * Checks certificates of authorities: PEM, one or several, each that of an authority or self-signed, and none expired.
 * Returns them without anything that stands between them. Throws {@link CertificatesError}.
 */
export function readAuthorities(text: string, now = new Date()): string[] {
  const blocks = [...text.matchAll(BLOCK)];
  if (blocks.some(([, kind]) => kind!.includes('PRIVATE KEY')))
    throw new CertificatesError('holds a private key, which belongs on the server only: leave the certificates');
  if (blocks.length === 0 || blocks.some(([, kind]) => kind !== 'CERTIFICATE'))
    throw new CertificatesError('must be certificates in PEM: -----BEGIN CERTIFICATE-----');
  if (blocks.length > MOST) throw new CertificatesError(`holds more than ${MOST} certificates`);
  return blocks.map(([block]) => {
    const certificate = parse(block);
    const name = nameOf(certificate);
    if (new Date(certificate.validTo) < now)
      throw new CertificatesError(`holds a certificate that expired on ${certificate.validTo}: ${name}`);
    if (!certificate.ca && !certificate.checkIssued(certificate))
      throw new CertificatesError(
        `holds the certificate of a server (${name}); needed is the one of the authority that issued it: ${oneLine(certificate.issuer)}`,
      );
    return certificate.toString().trim();
  });
}

function parse(block: string): X509Certificate {
  try {
    return new X509Certificate(block);
  } catch {
    throw new CertificatesError('holds a certificate that cannot be read');
  }
}

const nameOf = ({ subject, serialNumber }: X509Certificate) => oneLine(subject) || serialNumber;
const oneLine = (name: string | undefined) => (name ?? '').replaceAll('\n', ', ').slice(0, 200);
