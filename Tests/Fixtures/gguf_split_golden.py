# A GGUF model that gguf-py writes in three parts: gguf_split/tiny-0000N-of-00003.gguf.
# usage: python gguf_split_golden.py gguf_split
import os
import sys

import gguf
import numpy as np

os.makedirs(sys.argv[1], exist_ok=True)
writer = gguf.GGUFWriter(os.path.join(sys.argv[1], 'tiny.gguf'), 'llama', split_max_tensors=2)
writer.add_block_count(1)
for number in range(5):
    writer.add_tensor(f'tensor{number}', np.arange(6, dtype=np.float32).reshape(2, 3) + 10 * number)
writer.write_header_to_file()
writer.write_kv_data_to_file()
writer.write_tensors_to_file()
writer.close()
