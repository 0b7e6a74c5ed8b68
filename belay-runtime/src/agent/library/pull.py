try:from time import ticks_ms as Z
except ImportError:
 try:from supervisor import ticks_ms as Z
 except ImportError:Z=0
def x(v,z):
 for y in v:yield y
 raise z
def pull(i,j,*a):
 m=1,0
 if i:S[j]=T[i](*a)
 else:m=a
 g=S[j];t=1;v=[];s=Z and Z()
 try:
  try:
   while 1:
    v.append(next(g))
    if len(v)>=m[0]or not Z or(Z()-s)%536870912>=m[1]:break
  except StopIteration:del S[j];t=0
  except Exception as z:
   if not v:raise
   S[j]=x((),z)
  try:return e((t,v))
  except Exception as z:
   g.close();S[j]=x((),z);m=0
   try:
    for y in v:e(y);m+=1
   except Exception:0
   return 1,v[:m]
 except KeyboardInterrupt:
  S[j]=x(v,StopIteration());raise
