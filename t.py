import torch, torch.nn.functional as F
from torch import nn
print(F.max_pool2d(torch.zeros(1,1,1,1), 2, padding=1, dilation=2))
try: print(F.max_pool2d(torch.zeros(1,1,9,9), 2, padding=1, dilation=9))
except Exception as e: print(e)
print(F.max_pool2d(torch.zeros(1,1,8,8), 2, padding=1, dilation=9))
try: print(nn.Conv2d(4,4,3,stride=0)(torch.zeros(1,4,8,8)))
except Exception as e: print(e)
