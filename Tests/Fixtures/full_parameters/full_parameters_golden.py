# Gradients of every weight of two tiny models, and the losses of a few AdamW steps, as PyTorch computes them in fp32.
# Needs torch, transformers, safetensors. usage: python full_parameters_golden.py [DIR]   writes DIR/tied, DIR/biased
import json, os, sys
os.environ.update(HF_HUB_OFFLINE='1', CUDA_VISIBLE_DEVICES='')
import torch, transformers
from safetensors.torch import save_file
from transformers import AutoModelForCausalLM, LlamaConfig, Qwen2Config

torch.set_num_threads(1)
transformers.logging.set_verbosity_error()
directory = sys.argv[1] if len(sys.argv) > 1 else os.path.dirname(os.path.abspath(__file__))
sizes = dict(hidden_size=32, intermediate_size=48, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
             vocab_size=64, max_position_embeddings=64, bos_token_id=1, eos_token_id=2, pad_token_id=0)
rope = dict(rope_type='default', rope_theta=10000.0)
models = {'tied': (LlamaConfig, dict(tie_word_embeddings=True, rms_norm_eps=1e-5)),
          'biased': (Qwen2Config, dict(tie_word_embeddings=False, rms_norm_eps=1e-6))}


def loss_of(model, sequences):
    """Mean negative log-probability of all completion tokens of all sequences."""
    total, count = 0, 0
    for sequence in sequences:
        ids = torch.tensor([sequence['prompt'] + sequence['completion']])
        logits = model(input_ids=ids, use_cache=False).logits[0, len(sequence['prompt']) - 1:-1]
        total = total - torch.log_softmax(logits, -1).gather(-1, torch.tensor(sequence['completion'])[:, None]).sum()
        count += len(sequence['completion'])
    return total / count


for seed, (name, (kind, extra)) in enumerate(models.items()):
    torch.manual_seed(seed)
    folder = os.path.join(directory, name)
    model = AutoModelForCausalLM.from_config(kind(**sizes, rope_parameters=rope, **extra), attn_implementation='eager')
    with torch.no_grad():
        for key, p in model.named_parameters():
            if 'norm' in key: p.copy_(1 + .2 * torch.randn_like(p))
            else: p.copy_((.2 if p.ndim == 1 else .25) * torch.randn_like(p))
    model.save_pretrained(folder)
    generation = os.path.join(folder, 'generation_config.json')
    if os.path.exists(generation): os.remove(generation)
    sequences = [dict(prompt=torch.randint(3, 64, (p,)).tolist(), completion=torch.randint(3, 64, (c,)).tolist())
                 for p, c in [(5, 7), (1, 20), (17, 18)]]
    loss = loss_of(model, sequences)
    loss.backward()
    save_file({key: p.grad.contiguous() for key, p in model.named_parameters()}, os.path.join(folder, 'gradients.safetensors'))
    decayed = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim == 1]
    optimizer = torch.optim.AdamW([dict(params=decayed, weight_decay=.1), dict(params=others, weight_decay=0.)], lr=1e-2)
    losses = []
    for _ in range(5):
        optimizer.zero_grad()
        step = loss_of(model, sequences)
        step.backward()
        optimizer.step()
        losses.append(step.item())
    golden = dict(sequences=sequences, loss=loss.item(), losses=losses,
                  versions=dict(torch=torch.__version__, transformers=transformers.__version__))
    json.dump(golden, open(os.path.join(folder, 'golden.json'), 'w'), indent=1)
    print(name, losses)
