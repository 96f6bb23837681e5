"""Makes tensorboard_golden.json: events as the tensorboard package itself encodes and frames them.

Needs: pip install tensorboard. Run: python tensorboard_golden.py > tensorboard_golden.json
"""
import io, json
from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter
from tensorboard.compat.tensorflow_stub.pywrap_tensorflow import crc32c, masked_crc32c


def framed(event):
    out = io.BytesIO()
    RecordWriter(out).write(event.SerializeToString())
    return out.getvalue().hex()


def scalars(step, wall_time, **values):
    summary = Summary(value=[Summary.Value(tag=tag.replace('__', '/'), simple_value=value) for tag, value in values.items()])
    return framed(Event(wall_time=wall_time, step=step, summary=summary))


texts = ['', '123456789', 'a' * 300]
print(json.dumps({
    'doc': 'hex bytes of TFRecord frames; crc32c and masked_crc32c of UTF-8 texts',
    'fileVersion': framed(Event(wall_time=1763840000.25, file_version='brain.Event:2')),
    'sessionStart': framed(Event(wall_time=1763840000.25, step=8, session_log=SessionLog(status=SessionLog.START))),
    'scalars': scalars(300, 1763840001.5, train__reward=1.179, train__kl=0.0, train__grad_norm=-2.5),
    'checksums': [{'text': t, 'crc32c': crc32c(t.encode()), 'masked': masked_crc32c(t.encode())} for t in texts],
}, indent=1))
