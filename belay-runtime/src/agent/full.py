def _b():
 import sys
 from struct import pack as P
 w=@WRITE@
 # T: functions by index; H: their identities; S: namespaces; n: calls so far; k: the last reply
 # L: the call that an interrupt ended; until the next greeting all others are refused
 T=[];H=[];S={};n=0;k=b'';L=0;o=0
 F='fd'[1e39<1e40]
 def x(f,g,v,l):
  o.extend(P('>BI',f,l) if l>65535 else P('>BH',f-1,l) if l>255 else bytes((f-2,l)))
  if g:o.append(g)
  o.extend(v)
 def e(v):
  t=type(v)
  if v is None:o.append(192)
  elif t is bool:o.append(194+v)
  elif t is int:
   if -33<v<128:o.append(v&255)
   elif -32769<v<32768:o.extend(P('>Bh',209,v))
   elif -1<<31<=v<1<<31:o.extend(P('>Bi',210,v))
   elif -1<<63<=v<1<<63:o.extend(P('>Bq',211,v))
   else:v=str(v);x(201,1,v,len(v))
  elif t is float:o.extend(P('>B'+F,202+(F>'e'<F<'f'),v))
  elif t is str:v=v.encode();x(219,0,v,len(v))
  elif t in(bytes,bytearray,memoryview):v=bytes(v);x(198,0,v,len(v))
  elif isinstance(v,(list,tuple,set)):
   o.extend(P('>BI',221,len(v)))
   for v in v:e(v)
  elif isinstance(v,dict):
   o.extend(P('>BI',223,len(v)))
   for t in v:e(t);e(v[t])
  else:raise TypeError("can't send "+t.__name__)
 def d(s,g,h=0,m='exec'):
  g=S.setdefault(g,{})
  exec(compile(s,m,'exec'),g)
  if h:T.append(g.get(m));H.append(h);return len(T)-1
 def b(i,*a):
  nonlocal n,k,L,o
  if i==-1:print(~a[0],n,L,'@CAPS@',@EPOCH@,H,~a[0]-1);n=a[0];L=0;return
  if i==-2:w(k);return
  n+=1
  o=bytearray()
  try:
   if L:o.append(193)
   else:e(d(i,*a)if type(i)is str else T[i](*a))
  except BaseException as z:
   try:
    if type(z)is KeyboardInterrupt:L=n
    o=bytearray()
    from io import StringIO as I
    a=I();sys.print_exception(z,a);i=getattr(z,'errno',None)
    e((type(z).__name__,str(z),i if type(i)is int else None,a.getvalue()))
    a=o;o=bytearray();x(201,2,a,len(a))
   except:o=bytearray(b'\xc7\0\2')
  a=len(o);i=n*1597
  k=bytes((248|i>>8&7,i&255))+(bytes((a,))if a<255 else P('<BI',255,a))+o
  w(k)
 return b
_b=_b()
