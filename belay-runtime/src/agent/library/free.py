def free(*a):
 for i in a or[i for i in S if i<0 and(type(S[i])is not list or S[i][1]<1)]:
  try:
   v=S.pop(i)
   if type(v)is list:v[0]=1
   else:v.close()
  except Exception:0
