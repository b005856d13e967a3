/** Pictures of a Lottie file: from its data URLs, from the bundle, from inputs; as bytes that are sure to decode. */
import { readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import type { CanvasKit, Image } from 'canvaskit-wasm';
import { BundlePath } from '../../bundle/bundle-path.ts';
import { FlatrenderError } from '../../lib/errors.ts';
import { type Bound, imageAssets } from './bind.ts';
import type { LayerPlace } from './layers.ts';
import { LAYER, type Lottie, type LottieAsset } from './lottie-json.ts';
import { pictureDamage } from './picture-file.ts';
import { type Problem, problem } from './problem.ts';

/** Decoded, this is 256 MB: half of what one picture may cost a node with 1 GB. */
const MAX_PIXELS = 64_000_000;
/** A fitted picture has this many times the pixels that the output shows of it, for layers that grow. */
const OVERSAMPLING = 1.5;

/** The image assets that some layer shows. */
export function usedImages(lottie: Lottie, places: readonly LayerPlace[]): LottieAsset[] {
  const used = new Set(
    places.filter(({ layer }) => layer.ty === LAYER.image).map(({ layer }) => layer.refId),
  );
  return imageAssets(lottie).filter(({ id }) => used.has(id));
}

/** Where the file of an asset is inside the bundle, given the Lottie file's path there; null: inside the asset itself. */
export function assetPath(asset: LottieAsset, lottieFile: string): string | null | Problem {
  if (asset.p?.startsWith('data:')) return null;
  const path = posix.normalize(posix.join(posix.dirname(lottieFile), asset.u ?? '', asset.p ?? ''));
  if (BundlePath.safeParse(path).success) return path;
  return problem(
    'TEMPLATE_INVALID',
    `the image ${asset.id} is ${JSON.stringify(`${asset.u ?? ''}${asset.p ?? ''}`)}, not a file of the bundle`,
    'export with the images included, or put the file beside the Lottie file',
  );
}

/**
 * Reads and checks all pictures that layers show, points the assets at them and returns the bytes by key. Those of
 * inputs are fitted to the size of their asset. Throws MEDIA_INVALID for an input, TEMPLATE_INVALID for a file of the
 * bundle that is missing, cut off or no picture.
 */
export async function prepareImages(
  kit: CanvasKit,
  lottie: Lottie,
  bound: Bound,
  bundle: { readonly dir: string; readonly lottieFile: string; readonly scale: number },
): Promise<Map<string, Uint8Array>> {
  const bytes = new Map<string, Uint8Array>();
  for (const [index, asset] of usedImages(lottie, bound.places).entries()) {
    const input = bound.images.findLast((image) => image.asset === asset);
    const key = `flatrender-image-${index}`;
    if (input) {
      const file = await readFile(input.path);
      const source: ImageSource = {
        label: `the input ${input.input}`,
        code: 'MEDIA_INVALID',
        scale: bundle.scale,
      };
      bytes.set(key, fitImage(kit, file, asset, input.fit, source));
    } else {
      const source: ImageSource = {
        label: `the image ${asset.id}`,
        code: 'TEMPLATE_INVALID',
        scale: bundle.scale,
      };
      const file = await readAsset(asset, bundle);
      // As lottie-web does (preserveAspectRatio "xMidYMid slice") with a file of another shape than it declares.
      bytes.set(key, fitImage(kit, file, asset, 'cover', source));
    }
    Object.assign(asset, { u: '', p: key, e: 0 });
  }
  return bytes;
}

async function readAsset(
  asset: LottieAsset,
  bundle: { dir: string; lottieFile: string },
): Promise<Uint8Array> {
  const path = assetPath(asset, bundle.lottieFile);
  if (path === null) {
    const [head = '', body = ''] = (asset.p ?? '').split(/,(.*)/s);
    return head.endsWith(';base64') ? Buffer.from(body, 'base64') : Buffer.from(decodeURIComponent(body));
  }
  if (typeof path !== 'string') throw new FlatrenderError(path.code, path.message, { hint: path.hint });
  return readFile(join(bundle.dir, path)).catch((cause: unknown) => {
    throw new FlatrenderError(
      'TEMPLATE_INVALID',
      `the bundle has no ${path}, which the image ${asset.id} shows`,
      { cause },
    );
  });
}

interface ImageSource {
  readonly label: string;
  readonly code: 'MEDIA_INVALID' | 'TEMPLATE_INVALID';
  /** Pixels of the output for one of the animation. */
  readonly scale: number;
}

/** A picture in the shape of its asset: as it is when it has that shape, else contained, covering or stretched. */
function fitImage(
  kit: CanvasKit,
  file: Uint8Array,
  asset: LottieAsset,
  fit: 'contain' | 'cover' | 'stretch',
  source: ImageSource,
): Uint8Array {
  const image = decode(kit, file, source);
  try {
    const [width, height] = [asset.w || image.width(), asset.h || image.height()];
    const isSameShape = Math.abs(image.width() / image.height() / (width / height) - 1) < 0.01;
    if (isSameShape) return file;
    return drawFitted(kit, image, { width, height, fit, scale: source.scale });
  } finally {
    image.delete();
  }
}

function drawFitted(
  kit: CanvasKit,
  image: Image,
  target: { width: number; height: number; fit: 'contain' | 'cover' | 'stretch'; scale: number },
): Uint8Array {
  const { width, height, fit, scale } = target;
  const [sx, sy] = [width / image.width(), height / image.height()];
  const even = fit === 'contain' ? Math.min(sx, sy) : Math.max(sx, sy);
  const [scaleX, scaleY] = fit === 'stretch' ? [sx, sy] : [even, even];
  // No more than the picture has, nor than the output can show: encoding it again is most of the work here.
  const more = Math.min(
    Math.max(1, 1 / Math.max(scaleX, scaleY)),
    Math.max(1, OVERSAMPLING * scale),
    Math.sqrt(MAX_PIXELS / 4 / (width * height)),
  );
  const surface = kit.MakeSurface(
    Math.max(1, Math.round(width * more)),
    Math.max(1, Math.round(height * more)),
  );
  if (!surface) throw new FlatrenderError('ENGINE_FAILED', `no memory for a picture of ${width} × ${height}`);
  try {
    const [w, h] = [image.width() * scaleX * more, image.height() * scaleY * more];
    const left = (surface.width() - w) / 2;
    const top = (surface.height() - h) / 2;
    const from = kit.LTRBRect(0, 0, image.width(), image.height());
    surface
      .getCanvas()
      .drawImageRectOptions(
        image,
        from,
        kit.LTRBRect(left, top, left + w, top + h),
        kit.FilterMode.Linear,
        kit.MipmapMode.Linear,
        null,
      );
    surface.flush();
    const snapshot = surface.makeImageSnapshot();
    const png = snapshot.encodeToBytes(kit.ImageFormat.PNG, 100);
    snapshot.delete();
    if (!png) throw new FlatrenderError('ENGINE_FAILED', 'a fitted picture could not be stored');
    return png;
  } finally {
    surface.dispose(); // delete() would keep the pixels of a surface that Skia allocated
  }
}

function decode(kit: CanvasKit, file: Uint8Array, { label, code }: ImageSource): Image {
  const hint = 'give a complete PNG, JPEG, WebP or GIF file';
  const damage = pictureDamage(file);
  if (damage !== undefined) throw new FlatrenderError(code, `${label} ${damage}`, { hint });
  const image = kit.MakeImageFromEncoded(file);
  if (!image)
    throw new FlatrenderError(code, `${label} is not a picture that can be read (${file.length} bytes)`, {
      hint,
    });
  const pixels = image.width() * image.height();
  if (pixels <= MAX_PIXELS) return image;
  const size = `${image.width()} × ${image.height()}`;
  image.delete();
  throw new FlatrenderError(code, `${label} is too large: ${size}`, { hint: 'at most 64 megapixels' });
}
