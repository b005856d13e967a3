import { findFfmpeg } from '../../src/media/ffmpeg.ts';
import { loadNodeAv } from '../../src/media/node-av.ts';
import { encoderSuite } from './encoder.ts';

const hasFfmpeg = (await findFfmpeg({ ffmpegPath: '' })) !== null;
const hasNodeAv = (await loadNodeAv()) !== null;

encoderSuite('ffmpeg', hasFfmpeg ? undefined : 'there is no ffmpeg on PATH: apt-get install ffmpeg');
encoderSuite('node-av', hasNodeAv ? undefined : 'the package node-av has no build for this machine');
