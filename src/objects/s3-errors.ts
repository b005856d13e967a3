/** What goes wrong with an S3 server, in words: the value, the place, and what to do about it. */
import { FlatrenderError } from '../lib/errors.ts';

/** Where a call went. */
export interface S3Place {
  readonly endpoint: string;
  readonly bucket: string;
  readonly region: string;
  readonly accessKey: string;
}

interface Trouble {
  readonly message: string;
  readonly hint: string;
  /** An operator has to change something: the server is there and will say the same again. */
  readonly mistake: boolean;
}

/** The server's own code of an error (`NoSuchBucket`, …), or the system's (`ECONNREFUSED`); empty: neither. */
export function s3Code(error: unknown): string {
  if (!(error instanceof Error)) return '';
  const code: unknown = Reflect.get(error, 'code');
  if (typeof code === 'string' && code !== '') return code;
  // node:net tries every address of a name and reports them together.
  if (error instanceof AggregateError) return s3Code(error.errors[0]);
  return error.name === 'Error' ? '' : error.name;
}

/** The server's own code in the body of a refusal; empty: there is none. */
export function s3CodeIn(body: string): string {
  return /<Code>([^<]{1,100})<\/Code>/.exec(body)?.[1]?.trim() ?? '';
}

/** True for codes that say: there is no such object. */
function isNoSuchKey(error: unknown): boolean {
  return ['NoSuchKey', 'NotFound', 'NoSuchVersion'].includes(s3Code(error));
}

/**
 * An error of the client as one of ours. UNAVAILABLE for all that is wrong with the server or the configuration (whoever
 * asked waits until it is repaired; `details.mistake` tells the two apart), DISK_FULL for a full store.
 */
export function s3Error(error: unknown, place: S3Place, what: string): FlatrenderError {
  if (error instanceof FlatrenderError) return error;
  const code = s3Code(error);
  if (FULL.has(code)) {
    return new FlatrenderError(
      'DISK_FULL',
      `cannot ${what}: the S3 server at ${place.endpoint} is full (${code})`,
      {
        cause: error,
        hint: 'make room there, or keep less: retention in flatrender.yaml',
      },
    );
  }
  const trouble = troubleOf(code, error, place);
  return new FlatrenderError('UNAVAILABLE', `cannot ${what}: ${trouble.message}`, {
    cause: error,
    hint: trouble.hint,
    details: { s3: code, mistake: trouble.mistake },
  });
}

/** Whether an operator has to change something before it can work. */
export function isMistake(error: unknown): boolean {
  return error instanceof FlatrenderError && error.details?.mistake === true;
}

/** Whether the server's own code was this one. */
export function wasCode(error: unknown, code: string): boolean {
  return error instanceof FlatrenderError && s3Code(error.cause) === code;
}

/** Whether the server said: there is no such object. */
export function wasMissing(error: unknown): boolean {
  return error instanceof FlatrenderError && isNoSuchKey(error.cause);
}

/** An answer about this request, not about the server. */
export function wasFinal(error: unknown): boolean {
  return FINAL.some((code) => wasCode(error, code));
}

const FINAL = ['InvalidRange', 'NoSuchUpload', 'InvalidPart', 'BucketAlreadyOwnedByYou'];

const FULL = new Set([
  'QuotaExceeded',
  'InsufficientStorage',
  'XMinioStorageFull',
  'XMinioAdminBucketQuotaExceeded',
  'EntityTooLarge',
]);

function troubleOf(code: string, error: unknown, place: S3Place): Trouble {
  const known = mistakeOf(code, error, place);
  if (known !== null) return { ...known, mistake: true };
  const { endpoint } = place;
  const network = NETWORK[code];
  if (network !== undefined) {
    return {
      message: `the S3 server at ${endpoint} cannot be reached: ${network}`,
      hint: 'is it running, and is objects.endpoint in flatrender.yaml right?',
      mistake: false,
    };
  }
  const text = error instanceof Error ? error.message : String(error);
  return {
    message: `the S3 server at ${endpoint} says: ${[code, text].filter((part) => part !== '').join(', ')}`,
    hint: 'its log says more; "flatrender doctor" tries it again',
    mistake: false,
  };
}

type Explain = (place: S3Place, error: unknown) => Omit<Trouble, 'mistake'>;

const wrongRegion: Explain = ({ endpoint, region }, error) => {
  const wanted: unknown = error instanceof Error ? Reflect.get(error, 'region') : undefined;
  return {
    message: `the S3 server at ${endpoint} is not in region "${region}"${typeof wanted === 'string' ? `, but in "${wanted}"` : ''}`,
    hint:
      typeof wanted === 'string'
        ? `objects.region: ${wanted}`
        : 'objects.region: the region of the bucket; servers of your own often want us-east-1 or "default"',
  };
};

const notS3: Explain = ({ endpoint }) => ({
  message: `what answers at ${endpoint} is not an S3 server`,
  hint: 'objects.endpoint is the address of its S3 API, not of its web page or console (often another port)',
});

const noTrust: Explain = ({ endpoint }, error) => ({
  message: `the certificate of ${endpoint} is not trusted: ${error instanceof Error ? error.message : error}`,
  hint: 'start the control plane with NODE_EXTRA_CA_CERTS=/path/ca.pem, or use the name that the certificate is for',
});

const denied: Explain = ({ endpoint, bucket, accessKey }) => ({
  message: `the S3 server at ${endpoint} denies access key "${accessKey}" the bucket "${bucket}"`,
  hint: 'it may belong to somebody else, or the key may not read, write, list and delete there; choose another objects.bucket or key',
});

const taken: Explain = ({ endpoint, bucket }) => ({
  message: `the bucket "${bucket}" at ${endpoint} belongs to somebody else`,
  hint: 'bucket names are common to all users of a server: choose another objects.bucket',
});

const EXPLAINED: Readonly<Record<string, Explain>> = {
  InvalidAccessKeyId: ({ endpoint, accessKey }) => ({
    message: `the S3 server at ${endpoint} does not know the access key "${accessKey}"`,
    hint: 'objects.accessKey in flatrender.yaml, or FLATRENDER_S3_ACCESS_KEY',
  }),
  SignatureDoesNotMatch: ({ endpoint, accessKey }) => ({
    message: `the S3 server at ${endpoint} does not accept the signature: the secret of access key "${accessKey}" is another one`,
    hint: 'objects.secretKey (or FLATRENDER_S3_SECRET_KEY); a proxy in front of it must leave the Host header as it is',
  }),
  RequestTimeTooSkewed: ({ endpoint }) => ({
    message: `the clocks of this machine (${new Date().toISOString()}) and of the S3 server at ${endpoint} differ by more than 15 minutes`,
    hint: 'switch time synchronisation on, on both machines (timedatectl set-ntp true)',
  }),
  AuthorizationHeaderMalformed: wrongRegion,
  AuthorizationQueryParametersError: wrongRegion,
  InvalidRegion: wrongRegion,
  InvalidLocationConstraint: wrongRegion,
  IllegalLocationConstraintException: wrongRegion,
  PermanentRedirect: wrongRegion,
  MovedPermanently: wrongRegion,
  TemporaryRedirect: wrongRegion,
  NoSuchBucket: ({ endpoint, bucket }) => ({
    message: `there is no bucket "${bucket}" at ${endpoint}`,
    hint: 'create it, or set objects.createBucket: true in flatrender.yaml',
  }),
  AccessDenied: denied,
  AllAccessDisabled: denied,
  InvalidBucketName: ({ bucket }) => ({
    message: `"${bucket}" cannot be the name of a bucket`,
    hint: '3 to 63 characters of a-z, 0-9, - and .',
  }),
  BucketAlreadyExists: taken,
  MethodNotAllowed: notS3,
  InvalidXMLError: notS3,
  HPE_INVALID_CONSTANT: notS3,
  ERR_SSL_WRONG_VERSION_NUMBER: ({ endpoint }) => ({
    message: `${endpoint} does not speak TLS`,
    hint: 'objects.endpoint: http:// instead of https://',
  }),
  EPROTO: ({ endpoint }) => ({
    message: `${endpoint} does not speak TLS as it should`,
    hint: 'objects.endpoint: http:// instead of https://, or the port of its TLS',
  }),
  DEPTH_ZERO_SELF_SIGNED_CERT: noTrust,
  SELF_SIGNED_CERT_IN_CHAIN: noTrust,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: noTrust,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: noTrust,
  ERR_TLS_CERT_ALTNAME_INVALID: noTrust,
  CERT_HAS_EXPIRED: noTrust,
};

function mistakeOf(code: string, error: unknown, place: S3Place): Omit<Trouble, 'mistake'> | null {
  // A refusal without a code of S3 and without its request id: a web page of something else.
  if (code === 'S3Error' && error instanceof Error && Reflect.get(error, 'amzRequestid') == null)
    return notS3(place, error);
  return EXPLAINED[code]?.(place, error) ?? null;
}

const NETWORK: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there',
  ENOTFOUND: 'the name is not known',
  EAI_AGAIN: 'the name cannot be looked up',
  ECONNRESET: 'the connection was cut',
  EPIPE: 'the connection was cut',
  ETIMEDOUT: 'no answer',
  EHOSTUNREACH: 'no route to that machine',
  ENETUNREACH: 'no route to that network',
};
