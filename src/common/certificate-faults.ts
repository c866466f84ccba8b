/** Why the certificate of a server is not believed. */
export type CertificateFault = 'private_authority' | 'expired' | 'other_name';

/** Codes of Node.js for what OpenSSL finds (nodejs.org/api/tls.html, "X509 certificate error codes"). */
const FAULTS: Readonly<Record<string, CertificateFault>> = {
  DEPTH_ZERO_SELF_SIGNED_CERT: 'private_authority',
  SELF_SIGNED_CERT_IN_CHAIN: 'private_authority',
  UNABLE_TO_GET_ISSUER_CERT: 'private_authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'private_authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'private_authority',
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'expired',
  ERR_TLS_CERT_ALTNAME_INVALID: 'other_name',
};

/** By the error's code; null: it is about something else. */
export function certificateFault(error: unknown): CertificateFault | null {
  const { code } = (error ?? {}) as { code?: unknown };
  return typeof code === 'string' && Object.hasOwn(FAULTS, code) ? FAULTS[code]! : null;
}
